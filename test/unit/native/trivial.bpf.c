// SPDX-License-Identifier: GPL-2.0-only
// The least that can be loaded: where this cannot, nothing of ours is to blame.

__attribute__((section("socket"), used)) int nothing(void *packet)
{
	(void)packet;
	return 0;
}

__attribute__((section("license"), used)) char licence[] = "GPL";
