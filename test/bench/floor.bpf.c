// SPDX-License-Identifier: GPL-2.0-only
/* What a hook costs that does nothing: less is not to be had where the kernel calls us at all. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("fexit/wg_allowedips_lookup_src")
int empty_fexit(void *ctx)
{
	return 0;
}

SEC("kprobe/wg_allowedips_lookup_src")
int empty_kprobe(void *ctx)
{
	return 0;
}

SEC("kretprobe/wg_allowedips_lookup_src")
int empty_kretprobe(void *ctx)
{
	return 0;
}
