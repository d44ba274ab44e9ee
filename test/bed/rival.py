# SPDX-License-Identifier: GPL-2.0-only
"""rival.py NETNS PEER PREFIX FIRST COUNT MILLISECONDS: sends a packet from each of COUNT new addresses, as the client in NETNS, and
configures it for another peer of wg1 within so many milliseconds, by netlink, as any other program might.
"""

import base64
import ctypes
import ipaddress
import os
import random
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
NETLINK_GENERIC = 16
GENL_ID_CTRL = 16
REQUEST_WITH_ACK = 5
NESTED = 0x8000
ETH_P_IPV6 = 0x86DD
NO_NEXT_HEADER = 59
ROUTER = ipaddress.IPv6Address("2001:db8:1::1").packed


def attribute(kind, *values):
    value = b"".join(values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def ask(netlink, family, command, *attributes):
    """Returns the answer before the ack, if there is one."""
    payload = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    netlink.send(struct.pack("=IHHII", 16 + len(payload), family, REQUEST_WITH_ACK, 1, 0) + payload)
    answer = b""
    while True:
        datagram = netlink.recv(1 << 16)
        if struct.unpack_from("=H", datagram, 4)[0] != 2:
            answer = datagram
            continue
        error = struct.unpack_from("=i", datagram, 16)[0]
        if error:
            raise OSError(-error, os.strerror(-error))
        return answer


def family_of(netlink):
    answer = ask(netlink, GENL_ID_CTRL, 3, attribute(2, b"wireguard\0"))
    at = 20
    while True:
        length, kind = struct.unpack_from("=HH", answer, at)
        if kind == 1:
            return struct.unpack_from("=H", answer, at + 4)[0]
        at += length + 3 & ~3


def allowed_ip(address):
    return attribute(NESTED, attribute(1, b"\x0a\0"), attribute(2, address), attribute(3, b"\x80"))


def main(netns, peer, prefix, first, count, milliseconds):
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    family = family_of(netlink)
    with open(f"/run/netns/{netns}") as file:
        ctypes.CDLL(None).setns(file.fileno(), CLONE_NEWNET)
    tunnel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    tunnel.bind(("wg0", ETH_P_IPV6))
    key = attribute(1, base64.b64decode(peer))
    for n in range(int(first), int(first) + int(count)):
        address = ipaddress.IPv6Address(prefix + f"{n:x}").packed
        allowed = attribute(9 | NESTED, allowed_ip(address))
        change = attribute(8 | NESTED, attribute(NESTED, key, attribute(3, bytes(4)), allowed))
        due = time.monotonic() + random.uniform(0, float(milliseconds)) / 1000
        tunnel.send(struct.pack("!IHBB", 6 << 28, 0, NO_NEXT_HEADER, 64) + address + ROUTER)
        while time.monotonic() < due:
            pass
        ask(netlink, family, 1, attribute(2, b"wg1\0"), change)
        time.sleep(0.005)


main(*sys.argv[1:])
