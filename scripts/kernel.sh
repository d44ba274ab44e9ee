#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/kernel.sh SERIES: makes sure that a Debian kernel of that series (6.1, 6.12, 6.18, 7.3) is in the cache and
# prints its folder, which holds vmlinux, initramfs and lib/modules/RELEASE. What is in the cache stays as it is, even
# if Debian has a newer one: remove the folder to fetch that.
#
# SERIES armv7, arm64, arm64-16k or riscv64 is Debian 13's kernel for that CPU. As no program of this machine runs on it,
# system/ is there, too: a Debian system with Node and all else that the tests use.
set -euo pipefail

series=${1:?usage: kernel.sh 6.1|6.12|6.18|7.3|armv7|arm64|arm64-16k|riscv64}
init=$(cd "$(dirname "$0")/.." && pwd)/test/bed/initramfs-init
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wg-slaacer
folder=$cache/kernels/$series
case $series in
armv7) architecture=armhf flavour=armmp-lpae ;;
arm64*) architecture=arm64 flavour=$series ;;
riscv64) architecture=riscv64 flavour=$series ;;
*) architecture=amd64 ;;
esac
# What the guest runs. Its Node's addon is built against its libbpf.
foreign_system='dash bash coreutils findutils grep sed util-linux mount procps kmod busybox-static
	nodejs libbpf-dev zlib1g-dev libelf-dev python3
	iproute2 iputils-ping wireguard-tools ndisc6 nftables netcat-openbsd tcpdump libcap2-bin'

say() { echo "kernel $series: $*" >&2; }

# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "$0")/debian.sh"

# Prints the first of its arguments that exists.
existing() {
	for path in "$@"; do
		if [ -e "$path" ]; then
			echo "$path"
			return
		fi
	done
	fail "$release has none of: $*"
}

# Prints the kernel within a vmlinuz, as unpacking itself takes it seconds in emulation. The setup header tells where
# it is (Documentation/arch/x86/boot.rst); its size follows it in 4 bytes.
extract_vmlinux() {
	number() { od -A n -v -t "u$2" -j "$1" -N "$2" "$vmlinuz" | tr -d ' '; }
	vmlinuz=$1
	setup_sects=$(number 0x1f1 1) payload_offset=$(number 0x248 4) payload_length=$(number 0x24c 4)
	dd if="$vmlinuz" iflag=skip_bytes,count_bytes bs=1M status=none \
		skip=$(((setup_sects + 1) * 512 + payload_offset)) count=$((payload_length - 4)) >"$new/payload"
	xz -dc "$new/payload" 2>/dev/null || zstd -qdc "$new/payload"
	rm "$new/payload"
}

# Downloads the newest kernel of the series and unpacks it into the folder $new.
fetch_kernel() {
	case $series in
	6.1 | 6.12) from=bookworm source=apt ;;
	*) from=trixie-backports source=other_release ;;
	esac
	apt=$cache/apt/$from
	mkdir "$new/packages"
	update
	# Neither cloud nor real-time kernels: in those names a letter precedes the architecture.
	release=$($source cache pkgnames linux-image- |
		sed -n "s/^linux-image-\(${series%.*}\.${series#*.}\.[^ ]*[0-9]-amd64\)\$/\1/p" | sort -V | tail -n 1)
	[ -n "$release" ] || fail "$from has no such kernel"
	# From 7.2 on, Debian splits a kernel into these.
	packages=$($source cache pkgnames linux- | grep -xF -e "linux-image-$release" -e "linux-base-$release" \
		-e "linux-binary-$release" -e "linux-modules-$release")
	# shellcheck disable=SC2086 # package names have no blanks
	size=$($source cache show --no-all-versions $packages | awk '/^Size: / { sum += $2 } END { print int(sum / 1e6) }')

	say "downloading $release from $from ($size MB)"
	# shellcheck disable=SC2086
	(cd "$new/packages" && $source get download $packages) >"$new/log" 2>&1 ||
		fail "apt-get download: $(tail -n 5 "$new/log")"
	say "unpacking it"
	for package in "$new"/packages/*.deb; do
		dpkg -x "$package" "$new/unpacked"
	done
	# Debian 13 has moved these.
	mkdir "$new/lib"
	mv "$(existing "$new"/unpacked/lib/modules "$new"/unpacked/usr/lib/modules)" "$new/lib/"
	extract_vmlinux "$(existing "$new"/unpacked/boot/vmlinuz-* "$new"/lib/modules/*/vmlinuz)" >"$new/vmlinux"
	depmod -b "$new" "$release"
	rm -r "$new/packages" "$new/unpacked" "$new/log"
}

# Downloads a Debian system for another CPU with its kernel, and unpacks it without running anything of it.
fetch_foreign() {
	from=trixie source=other_release apt=$cache/apt/$from-$architecture
	update
	# shellcheck disable=SC2086 # package names have no blanks
	unpack_system "$new/system" "a system for $architecture" "linux-image-$flavour" $foreign_system
	# Of what their scripts would do, all that the tests need.
	rmdir "$new/system/var/run"
	ln -s /run "$new/system/var/run"
	ln -s nc.openbsd "$new/system/usr/bin/nc"
	printf '%s\n' root:x:0:0::/root:/bin/sh tcpdump:x:100:100::/:/bin/false >"$new/system/etc/passwd"
	printf '%s\n' root:x:0: tcpdump:x:100: >"$new/system/etc/group"
	mkdir -p "$new/lib"
	mv "$new/system/usr/lib/modules" "$new/lib/"
	release=$(ls "$new/lib/modules")
	cp "$new"/system/boot/vmlinu?-* "$new/vmlinux"
	depmod -b "$new" "$release"
	[ "$architecture" != armhf ] || fetch_types
}

# Makes the file of types (docs/kernel.md) for a kernel that does not tell them, of the module in Debian's package of
# debugging information.
fetch_types() {
	say "downloading the debugging information of $release from $from (740 MB)"
	mkdir "$new/packages"
	(cd "$new/packages" && $source get download "linux-image-$release-dbg") >"$new/log" 2>&1 ||
		fail "apt-get download: $(tail -n 5 "$new/log")"
	say "taking the types from it"
	module=usr/lib/debug/lib/modules/$release/kernel/drivers/net/wireguard/wireguard.ko
	dpkg --fsys-tarfile "$new"/packages/*.deb | tar -x -C "$new" --wildcards "./$module*" ||
		fail "the debugging information has no $module"
	types=$new/system/usr/lib/wg-slaacer/btf
	mkdir -p "$types"
	pahole --btf_encode_detached "$types/$release.btf" "$new/$module"*
	rm -r "$new/packages" "${new:?}/usr" "$new/log"
}

# Packs what the guest needs until it has the host's files into $new/initramfs: busybox, the modules of the kernel in
# the folder $1 in the order of loading, and the init script.
make_initramfs() {
	release=$(ls "$1/lib/modules")
	root=$new/root
	mkdir -p "$root/usr/bin" "$root/modules"
	cp "$(existing "$1/system/bin/busybox" /bin/busybox)" "$root/usr/bin/"
	cp "$init" "$root/init"
	for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
		modprobe -d "$1" -S "$release" --show-depends "$module"
	done | sed -n 's/^insmod \(.*\.ko[.a-z]*\).*/\1/p' | awk '!seen[$0]++' | while read -r file; do
		name=$(basename "$file")
		name=${name%.ko*}.ko
		case $file in
		*.xz) xz -dc "$file" ;;
		*.zst) zstd -qdc "$file" ;;
		*) cat "$file" ;;
		esac >"$root/modules/$name"
		echo "$name" >>"$root/modules/order"
	done
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$new/initramfs"
	rm -r "$root"
}

if [ ! -e "$folder/initramfs" ] || [ "$init" -nt "$folder/initramfs" ]; then
	mkdir -p "$cache/kernels"
	# One at a time, as several checkouts share the cache.
	exec 9>"$cache/lock"
	flock 9
	new=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT TERM
	chmod 755 "$new"
	if [ -e "$folder" ]; then
		make_initramfs "$folder"
		mv "$new/initramfs" "$folder/"
	else
		if [ "$architecture" = amd64 ]; then fetch_kernel; else fetch_foreign; fi
		make_initramfs "$new"
		mv "$new" "$folder"
	fi
fi
echo "$folder"
