#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Two WireGuard peers that begin a session at the same time have none. Each takes the other's initiation, which ends its own
# handshake (wg_noise_handshake_consume_initiation() in drivers/net/wireguard/noise.c), and then drops the response. Both wait
# for REKEY_TIMEOUT, 5 s, and up to a third of a second more. If these are about as long as the other's, that happens again.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest iproute2=6.1.0-3 grep=3.8-5 wireguard-tools=1.0.20210914-1+b1 <<'END'
umask 077
# wg1 and wg2 talk to each other, by a loopback that takes a tenth of a second.
ip link set lo up
tc qdisc add dev lo root netem delay 100ms
for n in 1 2; do
	ip link add wg$n type wireguard
	wg genkey >/tmp/key$n
	wg set wg$n private-key /tmp/key$n listen-port 5182$n
	ip link set wg$n up
done

# Changes the peer of wg1, or of wg2.
peer() {
	local n=$1 other=$((3 - $1))
	shift
	wg set wg$n peer "$(wg show wg$other public-key)" "$@"
}

# Prints how many milliseconds it takes until both have a session, if these begin one.
begin() {
	local n start
	for n in 1 2; do peer $n remove; done
	for n in 1 2; do peer $n endpoint 127.0.0.1:5182$((3 - n)); done
	start=${EPOCHREALTIME/./}
	for n in "$@"; do peer "$n" persistent-keepalive 1000 & done
	wait
	while { wg show wg1 latest-handshakes && wg show wg2 latest-handshakes; } | grep -q '[[:space:]]0$'; do sleep 0.05; done
	echo $(((${EPOCHREALTIME/./} - start) / 1000))
}

one=$(begin 1)
both=$(begin 1 2)
echo "Linux $(uname -r)"
echo "a good guess:  a session is there within a second, whether one begins it or both do"
echo "expected here: within 2 s if one begins it; after 5 s or more if both do"
echo "seen:          after $one ms if one begins it; after $both ms if both do"
((one < 2000 && both >= 5000))
END
