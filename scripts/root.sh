#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/root.sh SERIES FILE [ARCHIVE]…: writes an initramfs that is the whole root of a guest: what scripts/kernel.sh
# makes for booting that kernel, this machine's Node and the Debian packages that tests use, the kernel's modules for
# networks, of the checkout what runs in guests, and what the archives have. The first three are packed once and kept in
# the cache.
set -euo pipefail

series=${1:?usage: root.sh SERIES FILE [ARCHIVE]…} file=${2:?usage: root.sh SERIES FILE [ARCHIVE]…}
shift 2
checkout=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wg-slaacer
kernel=$("$checkout/scripts/kernel.sh" "$series")
node=$(node -p process.execPath)
packages="$(grep -v '^#' "$checkout/test/bed/packages") base-files bash busybox-static coreutils dash findutils grep kmod
	mawk mount sed util-linux libbpf1 libelf1 libstdc++6 zlib1g"

# Reads names of files and folders, relative to the folder $1, and writes them as an archive.
pack() { (cd "$1" && LC_ALL=C sort -u | cpio --quiet -o -H newc -R 0:0); }

# The files of packages and of all that these need, as they lie where /bin is a link to /usr/bin.
system_files() {
	packaged_files | sed 's#^/##' | while read -r path; do
		if [ -e "$path" ] || [ -h "$path" ]; then echo "$path"; fi
	done
}

packaged_files() {
	local needed
	# shellcheck disable=SC2086 # package names have no blanks
	needed=$(apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
		--no-replaces --no-enhances $packages | grep '^[a-z]' | sort -u)
	# It names alternatives, too, that are not installed.
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | grep -xF "$needed" |
		xargs dpkg-query -L |
		grep -vE '^/usr/share/(doc|man|locale|info|bash-completion|i18n|perl5)/|/__pycache__/|/gconv/|^package diverts' |
		sed -E 's,^/(bin|sbin|lib|lib64)(/|$),/usr/\1\2,'
	printf '%s\n' /bin /sbin /lib /lib64 /usr/bin/sh /etc/passwd /etc/group /etc/ld.so.cache
	parents "$node"
	# Links such as nc, which no package owns.
	find /usr/bin /usr/sbin -lname '/etc/alternatives/*'
	find /etc/alternatives
}

# Modules may need any of these folders' modules. Not lib itself, which is a link.
module_files() {
	local modules
	modules=lib/modules/$(ls "$kernel/lib/modules")
	find "$modules" -maxdepth 1 -name 'modules.*'
	for folder in arch crypto lib net drivers/block drivers/char drivers/net/wireguard; do
		find "$modules/kernel/$folder"
	done
	find "$modules/kernel/drivers/net" -maxdepth 1 -type f
	parents "$modules/kernel/drivers/net" | grep -vx lib
}

# A path and all that it lies in.
parents() {
	local path=$1
	while [ "$path" != . ] && [ "$path" != / ]; do
		echo "$path"
		path=$(dirname "$path")
	done
}

# Makes the archive $1 of the files in the folder $2 that the command $3 names, unless it is there. Those of other
# checkouts, which may be in use, go when they have not been for a day.
keep() {
	if touch --no-create "$1" && [ -e "$1" ]; then return; fi
	mkdir -p "$(dirname "$1")"
	# One at a time, as several checkouts and kernels share the cache.
	exec 9>"$cache/roots.lock"
	flock 9
	if [ ! -e "$1" ]; then
		find "$(dirname "$1")" -maxdepth 1 -name "$(basename "${1%-*}")-*" -mtime +0 -delete
		(cd "$2" && $3) | pack "$2" >"$1.new"
		mv "$1.new" "$1"
	fi
	exec 9>&-
}

# The packages, Node and what names them decide what is packed: for every checkout of this commit the same.
key=$({
	dpkg-query -W
	cat "$0" "$checkout/test/bed/packages"
	stat -L -c '%n %s %Y' "$node"
} | sha256sum | cut -c 1-16)
keep "$cache/roots/system-$key" / system_files
keep "$kernel/modules-$key" "$kernel" module_files

# As the guest has them where they are here.
own_files() {
	local musl
	musl=build/musl/$(uname -m)
	parents "${checkout#/}"
	find "${checkout#/}"/{dist/rootfs,build/test,test/bed}
	printf '%s\n' "${checkout#/}"/{dist,dist/package.json,build,test}
	if [ -d "$checkout/$musl" ]; then
		parents "${checkout#/}/$musl"
		find "${checkout#/}/$musl"
	fi
}

{
	cat "$cache/roots/system-$key" "$kernel/modules-$key" "$kernel/initramfs" "$@"
	(cd / && own_files) | pack /
} >"$file"
