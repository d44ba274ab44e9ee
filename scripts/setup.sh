#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/setup.sh: installs what building and testing need on Debian 12, beside Node 20 with npm. Does only what is
# missing, so it may run before everything.
set -euo pipefail
cd "$(dirname "$0")/.."

build='g++ make cmake pkg-config clang llvm libbpf-dev libelf-dev zlib1g-dev bzip2 ca-certificates git'
check='clang-format shellcheck gettext lua5.1'
page='chromium fonts-dejavu-core fonts-droid-fallback'
kernels='qemu-system-x86 busybox-static kmod cpio xz-utils zstd debian-archive-keyring'
for kernel in ${KERNELS:-}; do
	case $kernel in
	armv7) kernels="$kernels qemu-system-arm g++-arm-linux-gnueabihf pahole" ;;
	arm64*) kernels="$kernels qemu-system-arm g++-aarch64-linux-gnu" ;;
	riscv64) kernels="$kernels qemu-system-misc opensbi g++-riscv64-linux-gnu" ;;
	esac
done
guests=$(grep -v '^#' test/bed/packages)

log=${XDG_CACHE_HOME:-$HOME/.cache}/wg-slaacer/setup.log

say() { echo "setup: $*"; }

# Runs a command that matters only if it fails.
quietly() {
	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		say "failed: $*; the end of $log:"
		tail -n 20 "$log"
		exit 1
	fi
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	say 'Node.js 20 or later with npm is needed; see https://nodejs.org/'
	exit 1
fi
if [ "$(node -p 'parseInt(process.versions.node)')" -lt 20 ]; then
	say "Node.js 20 or later is needed, this is $(node --version); see https://nodejs.org/"
	exit 1
fi

# shellcheck disable=SC2086 # package names have no blanks
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $build $check $page $kernels $guests 2>/dev/null |
	sed -n 's/^installed //p' || true)
missing=
for package in $build $check $page $kernels $guests; do
	grep -qxF "$package" <<<"$installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ]; then
		say 'Debian packages are missing. As root, run:'
		say "apt-get update && apt-get install --no-install-recommends$missing"
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	say 'reading the package lists'
	quietly apt-get -q update
	# shellcheck disable=SC2086
	size=$(apt-get -q --no-install-recommends --assume-no install $missing | sed -n 's/^Need to get \(.*\) of archives.*/\1/p' || true)
	say "installing$missing (${size:-?} to download)"
	# shellcheck disable=SC2086
	quietly apt-get -q -y --no-install-recommends install $missing
fi

if [ ! -e node_modules/.setup ] || ! cmp -s package-lock.json node_modules/.setup; then
	say 'installing the packages of package-lock.json into node_modules'
	# Not npm ci: the lock file lists no other platforms' variants of packages, and it insists on these.
	quietly npm install --no-save
	cp package-lock.json node_modules/.setup
fi
