#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Findings about the kernel source this. run_in_guest PACKAGE… boots Debian's kernel $kernel in QEMU, with a system of these
# packages and all that they need, and runs the script on its standard input there, as root. It prints the output of the
# script and answers with its exit code. All of it is downloaded into a temporary folder; nothing is installed.

kernel=linux-image-6.12.117+deb12-amd64=6.12.117-1~deb12u1
system=(bash=5.2.15-2+b13 coreutils=9.1-1 kmod=30+20221128-1 mount=2.38.1-5+deb12u3)

fail() {
	echo "$0: $*" >&2
	exit 2
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run_in_guest() {
	local root=$folder/root package modules
	command -v qemu-system-x86_64 cpio >/dev/null || fail 'install qemu-system-x86 and cpio first'
	mkdir -p "$folder/archives/partial" "$root"/{dev,proc,run,sys,tmp}
	: >"$folder/status" # nothing is installed there
	echo "downloading $kernel and $* …" >&2
	(cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download "$kernel") || fail "apt has no $kernel"
	dpkg -x "$folder"/linux-image-*.deb "$folder/kernel"
	apt-get -qq --download-only -y --no-install-recommends -o APT::Sandbox::User=root -o Debug::NoLocking=1 \
		-o Dir::State::Status="$folder/status" -o Dir::Cache::Archives="$folder/archives" \
		install "${system[@]}" "$@" >"$folder/log" 2>&1 || fail "apt-get: $(tail -n 3 "$folder/log")"
	for package in "$folder"/archives/*.deb; do dpkg -x "$package" "$root"; done
	rm -rf "${root:?}/usr/share" # so that all fits into memory

	modules=${kernel#linux-image-}
	modules=lib/modules/${modules%=*}
	mkdir -p "$root/$modules"
	(cd "$folder/kernel/$modules" &&
		cp -r --parents modules.* kernel/{arch,crypto,lib,net} kernel/drivers/net/wireguard "$root/$modules")
	depmod -b "$root" "${modules##*/}"

	cat >"$root/finding"
	cat >"$root/init" <<-'END'
		#!/bin/bash
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev
		exec >/dev/ttyS1 2>&1
		bash /finding
		echo "exit code: $?"
		echo o >/proc/sysrq-trigger
		sleep 60
	END
	chmod +x "$root/init"
	(cd "$root" && find . -print0 | cpio --null --quiet -o -H newc) >"$folder/initramfs"
	timeout 900 qemu-system-x86_64 -accel tcg -cpu max -m 2048 -nic none -display none -no-reboot \
		-kernel "$folder"/kernel/boot/vmlinuz-* -initrd "$folder/initramfs" -append 'console=ttyS0 panic=-1 quiet' \
		-serial "file:$folder/console" -serial "file:$folder/output" || fail 'the guest did not end in 15 minutes'
	tr -d '\r' <"$folder/output" | grep -v '^exit code: '
	return "$(sed -n 's/^exit code: \([0-9]*\).*/\1/p' "$folder/output" | grep . || echo 2)"
}
