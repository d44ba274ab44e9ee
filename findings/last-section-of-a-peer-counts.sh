#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# If a configuration has two sections for the same public key, wg(8) has each of them replace the allowed IPs of the peer
# (WGPEER_F_REPLACE_ALLOWEDIPS), so those of the last section alone are in force, and nothing is said.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest iproute2=6.1.0-3 wireguard-tools=1.0.20210914-1+b1 <<'END'
key=$(wg genkey | wg pubkey)
printf '[Peer]\nPublicKey = %s\nAllowedIPs = %s\n' "$key" fd00::1/128 "$key" fd00::2/128 >/tmp/wg0.conf
seen() { wg show wg0 allowed-ips | cut -f2; }

ip link add wg0 type wireguard
wg setconf wg0 /tmp/wg0.conf
set=$(seen)
wg syncconf wg0 /tmp/wg0.conf

echo "Linux $(uname -r), $(wg --version | cut -d' ' -f1,2)"
echo 'a good guess:  both addresses are allowed IPs of the peer'
echo 'expected here: fd00::2/128; after syncconf fd00::2/128'
echo "seen:          $set; after syncconf $(seen)"
[ "$set; $(seen)" = 'fd00::2/128; fd00::2/128' ]
END
