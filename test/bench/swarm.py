# SPDX-License-Identifier: GPL-2.0-only
"""Many WireGuard peers in one network namespace, for swarm.ts. A request in JSON on standard input, an answer on standard output.

All peers' interfaces, s0, s1 …, live in the namespace "swarm"; the router in that of process 1. The argument is the file
that tells how much CPU time the learner has used.
"""

import base64
import ctypes
import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
NETLINK_GENERIC = 16
GENL_CTRL = 16
GETFAMILY, FAMILY_ID, FAMILY_NAME = 3, 1, 2
SET_DEVICE = 1
REQUEST, ACK, NESTED = 1, 4, 0x8000
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
FIRST_PORT = 20000
# How many packets may be on their way through WireGuard, so that it is never its queues that lose one.
WINDOW = 64
# A learner that has used no more than that much of a time has nothing left to do. In seconds.
QUIET, STIR = 2, 0.004
# In seconds: by then a new address has been learned.
PAUSE = 0.5
# The number of the first address that no storm has used.
UNUSED = 1 << 20


def attribute(kind, payload):
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def nest(kind, *attributes):
    return attribute(kind | NESTED, b"".join(attributes))


class Netlink:
    """Generic netlink, to configure as many interfaces as wg(8) would take minutes for in emulation."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        reply = self.ask(GENL_CTRL, GETFAMILY, attribute(FAMILY_NAME, b"wireguard\0"))
        attributes = reply[20:]
        while attributes:
            length, kind = struct.unpack_from("=HH", attributes)
            if kind == FAMILY_ID:
                (self.family,) = struct.unpack_from("=H", attributes, 4)
            attributes = attributes[length + 3 & ~3 :]

    def ask(self, family, command, payload):
        header = struct.pack("=IHHIIBBH", 20 + len(payload), family, REQUEST | ACK, 0, 0, command, 1, 0)
        self.socket.send(header + payload)
        answer = b""
        while True:
            message = self.socket.recv(1 << 16)
            if struct.unpack_from("=H", message, 4)[0] != 2:  # NLMSG_ERROR, which an acknowledgement is, too
                answer = message
                continue
            (error,) = struct.unpack_from("=i", message, 16)
            if error:
                raise OSError(-error, "netlink")
            return answer


def configure(request):
    """Gives each interface a key, a port, and the router as its peer; writes what the router is to have of them."""
    with open(request["key"]) as file:
        private = file.read().strip()
    public = subprocess.run(["wg", "pubkey"], input=private, stdout=subprocess.PIPE, text=True, check=True).stdout
    netlink = Netlink()
    endpoint = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 51820, socket.inet_aton("10.9.1.1"))
    everything = [
        nest(0, attribute(1, struct.pack("=H", family)), attribute(2, bytes(length)), attribute(3, b"\0"))
        for family, length in ((socket.AF_INET, 4), (socket.AF_INET6, 16))
    ]
    router = nest(0, attribute(1, base64.b64decode(public)), attribute(4, endpoint), nest(9, *everything))
    for n in range(request["peers"]):
        name = attribute(2, f"s{n}\0".encode())
        port = attribute(6, struct.pack("=H", FIRST_PORT + n))
        netlink.ask(netlink.family, SET_DEVICE, name + attribute(3, os.urandom(32)) + port + nest(8, router))
    shown = subprocess.run(["wg", "show", "all", "public-key"], stdout=subprocess.PIPE, text=True, check=True).stdout
    keys = dict(line.split() for line in shown.splitlines())
    with open(request["conf"], "w") as file:
        file.write(f"[Interface]\nPrivateKey = {private}\nListenPort = 51820\n")
        for n in range(request["peers"]):
            file.write(f"[Peer]\nPublicKey = {keys[f's{n}']}\nEndpoint = 10.9.1.2:{FIRST_PORT + n}\n")
            file.write(f"AllowedIPs = {inner(n)}/32\n")


def inner(peer):
    """The IPv4 address that a peer has in the tunnel."""
    return ipaddress.IPv4Address("10.10.0.0") + peer


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Tunnels:
    """Sends echo requests to the router, each from an address of its own, no faster than WireGuard takes them."""

    def __init__(self, prefix, to):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        # One half of an interface identifier is the complement of the other, so that one checksum fits all.
        source = ipaddress.IPv6Address(prefix).packed[:8] + bytes(4) + b"\xff" * 4
        target = ipaddress.IPv6Address(to).packed
        echo = struct.pack("!BBHHH", 128, 0, 0, 1, 1) + bytes(8)
        check = checksum(source + target + struct.pack("!II", len(echo), socket.IPPROTO_ICMPV6) + echo)
        echo = echo[:2] + struct.pack("!H", check) + echo[4:]
        self.head = struct.pack("!IHBB", 6 << 28, len(echo), socket.IPPROTO_ICMPV6, 64) + source[:8]
        self.tail = target + echo
        self.statistics = open("/proc/1/net/dev")
        self.before = self.arrived()
        self.sent = 0

    def arrived(self):
        """How many packets WireGuard has decrypted on the router, whether it took or refused them."""
        self.statistics.seek(0)
        fields = next(line for line in self.statistics if line.lstrip().startswith("wg1:")).split()
        return int(fields[1 + 1]) + int(fields[1 + 2])

    def hello(self, peer):
        """An IPv4 packet, of no interest to learners: for the peer to have a session."""
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0, 64, 59, 0) + inner(peer).packed + bytes((192, 0, 2, 1))
        self.send(peer, header[:10] + struct.pack("!H", checksum(header)) + header[12:], ETH_P_IP)

    def echo(self, peer, n):
        identifier = struct.pack("!II", n, 0xFFFFFFFF - n)
        self.send(peer, self.head + identifier + self.tail, ETH_P_IPV6)

    def send(self, peer, packet, protocol):
        self.socket.sendto(packet, (f"s{peer}", protocol))
        self.sent += 1
        if self.sent % (WINDOW // 2) == 0:
            self.wait(WINDOW // 2)

    def wait(self, left, seconds=20):
        """Until no more than so many are on their way."""
        end = time.monotonic() + seconds
        while self.sent - (self.arrived() - self.before) > left:
            if time.monotonic() > end:
                raise TimeoutError(f"{self.arrived() - self.before} of {self.sent} packets have arrived")
            time.sleep(0.001)


def used():
    """Seconds of CPU that the learner has used."""
    with open(sys.argv[1]) as file:
        return int(re.search(r"usage_usec (\d+)", file.read())[1]) / 1e6


def delivered():
    """Echo requests that the router has got. Not all have a reply: it gives up some where WireGuard has many to encrypt."""
    with open("/proc/1/net/snmp6") as file:
        return int(re.search(r"Icmp6InEchos\s+(\d+)", file.read())[1])


def settle(start):
    """Waits until the learner rests; how long after `start` it last did something."""
    before, last = used(), time.monotonic()
    while time.monotonic() < last + QUIET:
        time.sleep(0.02)
        now = used()
        if now - before > STIR:
            before, last = now, time.monotonic()
    return last - start


def storm(request):
    """All peers use all their addresses, once; what became of it when the learner has come to rest."""
    peers, each = request["peers"], request["each"]
    tunnels = Tunnels(request["prefix"], request["to"])
    for peer in range(peers):
        tunnels.hello(peer)
    tunnels.wait(0)
    settle(time.monotonic())
    before, cpu, start = delivered(), used(), time.monotonic()
    for n in range(each):
        for peer in range(peers):
            tunnels.echo(peer, n * peers + peer)
    tunnels.wait(0)
    sending = time.monotonic() - start
    seconds = max(sending, settle(start))
    return {"sending": sending, "seconds": seconds, "cpu": used() - cpu, "delivered": delivered() - before}


def trickle(request):
    """A peer uses addresses that nobody has used, one after the other; how much CPU time the learner used for each."""
    tunnels = Tunnels(request["prefix"], request["to"])
    tunnels.hello(0)
    tunnels.wait(0)
    settle(time.monotonic())
    costs = []
    for n in range(request["count"]):
        before = used()
        tunnels.echo(0, UNUSED + n)
        tunnels.wait(0)
        time.sleep(PAUSE)
        costs.append(used() - before)
    return costs


def rest(request):
    cpu = used()
    return {"seconds": settle(time.monotonic()), "cpu": used() - cpu}


def after(request):
    """Runs a command and has a peer use an address again; when the learner has come to rest."""
    tunnels = Tunnels(request["prefix"], request["to"])
    tunnels.hello(0)
    tunnels.wait(0)
    cpu = used()
    subprocess.run(request["command"], check=True)
    start = time.monotonic()
    tunnels.echo(0, 0)
    return {"seconds": settle(start), "cpu": used() - cpu}


def enter(netns):
    """Unlike ip netns exec, without hiding the control groups."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{netns}") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")


OPERATIONS = {"configure": configure, "storm": storm, "trickle": trickle, "rest": rest, "after": after}
enter("swarm")
request = json.load(sys.stdin)
print(json.dumps(OPERATIONS[request["operation"]](request)))
