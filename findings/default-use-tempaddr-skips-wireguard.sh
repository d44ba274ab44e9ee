#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Privacy extensions that are switched on for all new interfaces are off on a WireGuard interface: the kernel gives
# use_tempaddr -1 to each device that is of type ARPHRD_NONE (net/ipv6/addrconf.c, ipv6_add_dev()).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest iproute2=6.1.0-3 <<'END'
conf=/proc/sys/net/ipv6/conf
echo 2 >$conf/default/use_tempaddr
ip link add wg0 type wireguard
ip link set wg0 up
of_wg0=$(cat $conf/wg0/use_tempaddr)
echo 2 >$conf/wg0/use_tempaddr
written=$(cat $conf/wg0/use_tempaddr)

echo "Linux $(uname -r)"
echo "a good guess:  after default.use_tempaddr=2, a new wg0 has 2"
echo "expected here: a new wg0 has -1, and 2 when that is written to wg0 itself"
echo "seen:          a new wg0 has $of_wg0, and $written when that is written to wg0 itself"
[ "$of_wg0 $written" = '-1 2' ]
END
