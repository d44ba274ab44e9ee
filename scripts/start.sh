#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Installs what is missing, builds, and shows wg-slaacer at work; --stay leaves it running, with a shell.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
npm run --silent build
exec npx --no-install tsx scripts/demo.ts "$@"
