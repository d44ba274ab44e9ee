#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# WireGuard sets addr_gen_mode to 1 (no link-local address) each time that its interface is set up (wg_open() in
# drivers/net/wireguard/device.c). A mode that was written before makes an address that outlives the first time only.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest iproute2=6.1.0-3 grep=3.8-5 <<'END'
mode=/proc/sys/net/ipv6/conf/wg0/addr_gen_mode
addresses() { ip -6 address show dev wg0 | grep -c 'inet6 fe80::' || true; }

ip link add wg0 type wireguard
echo 3 >$mode
ip link set wg0 up
first="mode $(cat $mode), $(addresses) link-local"
ip link set wg0 down
ip link set wg0 up
later="mode $(cat $mode), $(addresses) link-local"

echo "Linux $(uname -r)"
echo "a good guess:  mode 3 stays, and each time the interface is up it has a link-local address"
echo "expected here: mode 1, 1 link-local; then down and up: mode 1, 0 link-local"
echo "seen:          $first; then down and up: $later"
[ "$first; $later" = 'mode 1, 1 link-local; mode 1, 0 link-local' ]
END
