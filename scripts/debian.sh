#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154
# Debian's packages for scripts that source this: without installing them, nor running anything of theirs. They say() how
# far it is, and set
# $new           a new folder, which they delete when they end
# $from          the release
# $source        `apt` if this machine has that release, or else `other_release`
# $apt           the folder where lists and packages are kept
# $architecture  Debian's name for it

fail() {
	say "$*"
	exit 1
}

# apt-get and apt-cache with lists and packages of their own: the system's are neither changed nor needed.
apt() {
	tool=$1
	shift
	"apt-$tool" -q -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
		-o APT::Sandbox::User= -o Acquire::Languages=none \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" "$@"
}

# Other releases than this machine's, and sources where $kind is deb-src, come from the mirror that it uses for Debian's
# main archive.
other_release() {
	# shellcheck disable=SC2016 # apt fills these in
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
		sed -n '0,/ bookworm$/s/ bookworm$//p')
	[ -n "$mirror" ] || fail "apt has no source for Debian bookworm, so its mirror is unknown"
	printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
		"${kind:-deb}" "$mirror" "$from" >"$apt/sources.list"
	apt "$@" -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=-
}

# Reads the package lists of $from into a folder of our own.
update() {
	say "reading the package lists of $from"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
	$source get update >"$new/log" 2>&1 || fail "apt-get update: $(tail -n 5 "$new/log")"
}

# Downloads packages and all that they need, and unpacks them into the folder $1, which becomes the root of a system.
# $2 is what it is called.
unpack_system() {
	local root=$1 what=$2 archives=$new/archives package
	shift 2
	mkdir -p "$archives/partial" "$root"/usr/{bin,sbin,lib,lib64}
	: >"$new/status" # nothing is installed there
	set -- -o Dir::State::Status="$new/status" -o Dir::Cache::Archives="$archives" -o Debug::NoLocking=1 \
		--no-install-recommends install "$@"
	$source get --assume-no "$@" >"$new/log" 2>&1 || true # as nothing is to be installed yet
	say "downloading $what from $from ($(sed -n 's/^Need to get \(.*\) of archives.*/\1/p' "$new/log"))"
	$source get --download-only -y "$@" >"$new/log" 2>&1 || fail "apt-get install: $(tail -n 5 "$new/log")"
	say 'unpacking it'
	for merged in bin sbin lib lib64; do ln -s "usr/$merged" "$root/$merged"; done
	for package in "$archives"/*.deb; do
		dpkg -x "$package" "$root"
	done
	rm -r "$archives" "$new/status" "$new/log"
}
