#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/clients.sh: makes sure that a Debian 12 with the client systems that test/clients tries is in the cache, and
# prints the archive that has it, in the folder clients. None of it is installed on this machine. What is in the cache
# stays as it is, even if Debian has newer packages: remove the archive to fetch those.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/wg-slaacer
from=bookworm architecture=amd64 source=apt apt=$cache/apt/$from
systems='systemd network-manager wireguard-tools wireguard-go ifupdown dhcpcd-base'
# What these leave to others, and what their configuration and the tests run.
tools='dbus nftables bash dash coreutils findutils grep sed util-linux mount procps iproute2'
# The users that the packages' scripts would make, and those that D-Bus has rules for.
users='systemd-network messagebus dhcpcd polkitd'

say() { echo "client systems: $*" >&2; }

# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$(dirname "$0")/debian.sh"

# Leaves out what no program reads.
pack() {
	find clients -path clients/usr/share/doc -prune -o -path clients/usr/share/man -prune -o \
		-path clients/usr/share/locale -prune -o -path clients/usr/share/perl -prune -o \
		-path '*/perl-base' -prune -o -path '*/gconv' -prune -o -print |
		LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0
}

fetch() {
	local id=100 user
	update
	# shellcheck disable=SC2086 # package names have no blanks
	unpack_system "$new/clients" 'client systems' $systems $tools
	echo root:x:0:0::/root:/bin/sh >"$new/clients/etc/passwd"
	echo root:x:0: >"$new/clients/etc/group"
	for user in $users; do
		echo "$user:x:$id:$id::/:/bin/false" >>"$new/clients/etc/passwd"
		echo "$user:x:$id:" >>"$new/clients/etc/group"
		id=$((id + 1))
	done
	# Whatever uses D-Bus looks for it in /var/run, and networkd makes itself an identifier of this.
	rmdir "$new/clients/var/run"
	ln -s /run "$new/clients/var/run"
	echo 0123456789abcdef0123456789abcdef >"$new/clients/etc/machine-id"
	# By this D-Bus starts NetworkManager's dispatcher; the file's group does not outlive packing.
	chmod 4755 "$new/clients/usr/lib/dbus-1.0/dbus-daemon-launch-helper"
	(cd "$new" && pack) >"$new/archive"
}

archive=$cache/clients/$(sha256sum <"$0" | cut -c 1-16)
if [ ! -e "$archive" ]; then
	mkdir -p "$cache/clients"
	# One at a time, as several checkouts share the cache.
	exec 9>"$cache/lock"
	flock 9
	if [ ! -e "$archive" ]; then
		new=$(mktemp -d "$cache/new.XXXXXX")
		trap 'rm -rf "$new"' EXIT
		trap 'exit 1' HUP INT TERM
		chmod 755 "$new"
		fetch
		rm -f "$cache"/clients/*
		mv "$new/archive" "$archive"
	fi
	exec 9>&-
fi
echo "$archive"
