#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An MTU below 1280 takes IPv6 from an interface. When the MTU is large enough again, the groups that sockets had joined are
# not joined again, and a socket that tries to join is told that it is a member: it has to leave the group first.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

run_in_guest iproute2=6.1.0-3 python3-minimal=3.11.2-1+b1 <<'END'
ip link add wg0 type wireguard
ip link set wg0 mtu 1420 up
python3 - <<'PYTHON'
import errno, platform, socket, struct, subprocess, sys

GROUP = "ff02::2"
index = socket.if_nametoindex("wg0")
membership = socket.inet_pton(socket.AF_INET6, GROUP) + struct.pack("I", index)
listener = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

def mtu(size):
    subprocess.run(["ip", "link", "set", "wg0", "mtu", str(size)], check=True)

def member():
    lines = [line.split() for line in open("/proc/net/igmp6")]
    return any(line[1] == "wg0" and line[2] == membership[:16].hex() for line in lines)

def change(option):
    try:
        listener.setsockopt(socket.IPPROTO_IPV6, option, membership)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]

change(socket.IPV6_JOIN_GROUP)
seen = [f"member {member()}"]
mtu(1200)
mtu(1420)
seen += [f"after a small MTU {member()}", f"join {change(socket.IPV6_JOIN_GROUP)}"]
change(socket.IPV6_LEAVE_GROUP)
seen += [f"join after leave {change(socket.IPV6_JOIN_GROUP)}", f"member {member()}"]
seen = ", ".join(seen)
expected = "member True, after a small MTU False, join EADDRINUSE, join after leave ok, member True"
print("Linux", platform.release())
print("a good guess:  member True, after a small MTU True")
print("expected here:", expected)
print("seen:         ", seen)
sys.exit(seen != expected)
PYTHON
END
