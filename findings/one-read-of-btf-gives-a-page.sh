#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# read(2) of the kernel's types (BTF) gives a page at most, however much is asked for and there: who reads once, with a buffer of
# the file's size, has a thousandth. All of the 5 MB take 1,200 calls, as each goes through a buffer of one page
# (kernfs_file_read_iter() in fs/kernfs/file.c).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest coreutils=9.1-1 <<'END'
file=/sys/kernel/btf/vmlinux
page=4096
size=$(stat -c %s $file)
once=$(dd if=$file bs="$size" count=1 status=none | wc -c)
[[ $(LC_ALL=C dd if=$file of=/dev/null bs="$size" 2>&1) =~ ^0\+([0-9]+)\ records\ in ]]
reads=${BASH_REMATCH[1]}
expected=$(((size + page - 1) / page))
echo "Linux $(uname -r), $file"
echo "a good guess:  one read of $size bytes gives all of it"
echo "expected here: it gives $page bytes, and all of it takes $expected reads"
echo "seen:          it gives $once bytes, and all of it takes $reads reads"
((once == page && reads == expected))
END
