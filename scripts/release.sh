#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/release.sh: packs HEAD, and what npm alone can make of it, into dist/wg-slaacer-VERSION.tar.gz with its
# SHA-256 sum beside it. Unpacked, its openwrt/ is a feed that needs neither npm nor network. The same commit gives the
# same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "$(git status --porcelain)" ]; then
	echo 'release: the checkout differs from its HEAD: commit, or put it aside (git stash -u)' >&2
	exit 1
fi
npm run --silent build

name=wg-slaacer-$(node -p 'require("./package.json").version')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git archive --prefix="$name/" HEAD | tar -x -C "$folder"
# The packages build what depends on the CPU by themselves.
tar -c --exclude='*.node' --exclude='*.o' dist/rootfs node_modules/node-addon-api/{LICENSE.md,napi.h,napi-inl.h} |
	tar -x -C "$folder/$name"
tar -c -C "$folder" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX \
	--mtime="@$(git log -1 --format=%ct)" "$name" | gzip -9n >"dist/$name.tar.gz"
(cd dist && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
