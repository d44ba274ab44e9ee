#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Formatting, lint and types of everything. npm run format mends what can be mended.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

biome check --error-on-warnings .
tsc --noEmit
for project in luci test/luci; do tsc --noEmit --project "$project"; done
clang-format --dry-run -Werror bpf/*.[ch] native/*.cc native/*.h test/bench/*.c test/bed/*.c
git ls-files --cached --others --exclude-standard | while read -r file; do
	if head -n 1 "$file" | grep -qE '^#!/bin/(ba)?sh'; then echo "$file"; fi
done | xargs shellcheck
