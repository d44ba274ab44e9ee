#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/bench.sh [OPTION]…: sets up, builds, and measures; see test/bench/main.ts for the options.
set -euo pipefail
cd "$(dirname "$0")/.."
{
	scripts/setup.sh
	npm run --silent build
} >&2
exec node_modules/.bin/tsx test/bench/main.ts "$@"
