#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/test-clients.sh [VITEST OPTION]…: sets up, builds, and has client systems of Debian 12 get on line and stay on
# line, on the kernel of $KERNEL. It prints how long that takes them.
set -euo pipefail
cd "$(dirname "$0")/.."
kernel=${KERNEL:-6.12}
scripts/setup.sh
scripts/kernel.sh "$kernel" >/dev/null
scripts/clients.sh >/dev/null
npm run --silent build
exec node_modules/.bin/vitest run --project "clients-$kernel" "$@"
