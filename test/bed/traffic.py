# SPDX-License-Identifier: GPL-2.0-only
"""Sends packets for lab.ts, from any network namespace of the guest and from any source address.

One process serves all, as starting one takes too long in emulation to measure anything. Requests and answers are JSON
objects, one a line, on standard input and output.
"""

import ctypes
import fcntl
import ipaddress
import json
import socket
import struct
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
IFF_UP = 1
ECHO_REQUEST = 128
ICMP6_FILTER = 1
# A bit for each type that is not wanted: all but 129.
ONLY_ECHO_REPLIES = struct.pack("=8I", *(0xFFFFFFFF ^ (2 if word == 4 else 0) for word in range(8)))
ETH_P_ALL = 0x0003
ETH_P_IPV6 = 0x86DD
NLM_F_REQUEST = 1
# Where the router listens for connect(), and where packets of send() and flood() go.
PORT = 7

libc = ctypes.CDLL(None, use_errno=True)


def enter(netns):
    """Moves this thread to a network namespace: the sockets it makes from now on belong there."""
    with open(f"/run/netns/{netns}") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")


def checksum(data):
    """The Internet checksum of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF or 0xFFFF


def udp(source, destination, payload):
    """A whole IPv6 packet."""
    payload += b"\0" * (len(payload) % 2)
    length = 8 + len(payload)
    pseudo = source + destination + struct.pack("!II", length, socket.IPPROTO_UDP)
    header = struct.pack("!HHH", PORT, PORT, length)
    check = struct.pack("!H", checksum(pseudo + header + payload))
    ip = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + source + destination
    return ip + header + check + payload


def packed(address):
    return ipaddress.IPv6Address(address).packed


def tunnel():
    """A socket that sends bare IPv6 packets through wg0."""
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind(("wg0", ETH_P_IPV6))
    return out


def connect(request):
    """Milliseconds until a TCP connection is there."""
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(request["timeout"] / 1000)
        tcp.bind((request["from"], 0))
        start = time.monotonic()
        tcp.connect((request["to"], request["port"]))
        return (time.monotonic() - start) * 1000


def ping(request):
    """Milliseconds until each answer that came; unlike ping(8) it waits for late ones although others came fast."""
    count, interval, timeout = request["count"], request["interval"], request["timeout"]
    identifier = struct.pack("!H", request["id"] & 0xFFFF)
    sent, rtts = [], {}
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as icmp:
        icmp.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, ONLY_ECHO_REPLIES)
        icmp.bind((request["from"], 0))
        start = time.monotonic()
        while len(rtts) < count:
            due = start + (len(sent) * interval if len(sent) < count else (count - 1) * interval + timeout)
            left = due - time.monotonic()
            if left > 0:
                icmp.settimeout(left)
                try:
                    answer = icmp.recv(2048)
                except TimeoutError:
                    continue
                number = int.from_bytes(answer[6:8], "big")
                if answer[4:6] == identifier and number < len(sent):
                    rtts.setdefault(number, (time.monotonic() - sent[number]) * 1000)
            elif len(sent) == count:
                break
            else:
                echo = struct.pack("!BBH2sH", ECHO_REQUEST, 0, 0, identifier, len(sent)) + bytes(56)
                sent.append(time.monotonic())
                icmp.sendto(echo, (request["to"], 0))
    return {"sent": count, "received": len(rtts), "rtts": list(rtts.values())}


def send(request):
    packet = udp(packed(request["from"]), packed(request["to"]), request["payload"].encode())
    with tunnel() as out:
        for _ in range(request["count"]):
            out.send(packet)


def flood(request):
    """Sends each packet from an address of its own; returns the seconds it took."""
    prefix = packed(request["prefix"])[:8]
    first, count, pps = request["first"], request["count"], request["pps"]
    # The other half of an interface identifier is its complement, so that one checksum fits all.
    pack = struct.Struct("!II").pack
    packet = udp(prefix + pack(0, 0xFFFFFFFF), packed(request["to"]), b"")
    head, tail = packet[:16], packet[24:]
    start = time.monotonic()
    with tunnel() as out:
        for i in range(count):
            out.send(head + pack(first + i, 0xFFFFFFFF - first - i) + tail)
            if pps and (ahead := start + i / pps - time.monotonic()) > 0.001:
                time.sleep(ahead)
    return time.monotonic() - start


def address(request):
    """Milliseconds until wg0 has an address in a /64."""
    start = time.monotonic()
    network = packed(request["prefix"])[:8].hex()
    while time.monotonic() < start + request["timeout"] / 1000:
        with open("/proc/thread-self/net/if_inet6") as file:
            fields = [line.split() for line in file]
        if any(each[0].startswith(network) and each[5] == "wg0" for each in fields):
            return (time.monotonic() - start) * 1000
        time.sleep(0.01)
    raise TimeoutError("none came")


def online(request):
    """Brings wg0 up, with an address; milliseconds until it has two addresses in a /64, a default route, and an answer from a host."""
    network = packed(request["prefix"])[:8].hex()
    start = time.monotonic()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as any_socket:
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh", b"wg0", 0)))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"wg0", flags | IFF_UP))
        index = socket.if_nametoindex("wg0")
        if "address" in request:
            fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("=16sIi", packed(request["address"]), 64, index))
    while True:
        elapsed = (time.monotonic() - start) * 1000
        if elapsed > request["timeout"]:
            raise TimeoutError("it has not got that far")
        with open("/proc/thread-self/net/if_inet6") as file:
            addresses = [line.split() for line in file]
        with open("/proc/thread-self/net/ipv6_route") as file:
            routes = [line.split() for line in file]
        ours = [each for each in addresses if each[0].startswith(network) and each[5] == "wg0"]
        default = any(each[1] == "00" and each[9] == "wg0" for each in routes)
        if len(ours) < 2 or not default:
            time.sleep(0.01)
            continue
        answer = ping({**request, "from": "::", "count": 1, "interval": 1, "timeout": 0.5})
        if answer["received"]:
            return (time.monotonic() - start) * 1000


def reach(request):
    """Milliseconds until wg0 has had so many advertisements in all, and then until packets to a host leave from an address in a
    /64 and are answered. Before the former it sends something only if it is busy."""
    network = packed(request["prefix"])[:8]
    start = time.monotonic()
    advertised = None
    while True:
        elapsed = (time.monotonic() - start) * 1000
        if elapsed > request["timeout"]:
            raise TimeoutError("it is not on line" if advertised is not None else "there was no advertisement")
        if advertised is None and advertisements() >= request["advertisements"]:
            advertised = elapsed
        if advertised is None and not request["busy"] or source_to(request["to"])[:8] != network:
            time.sleep(0.05)
            continue
        answer = ping({**request, "from": "::", "count": 1, "interval": 1, "timeout": 0.5})
        if answer["received"] and advertised is not None:
            return {"advertised": advertised, "online": (time.monotonic() - start) * 1000}


def advertisements():
    """How many wg0 has had since it is there."""
    try:
        with open("/proc/thread-self/net/dev_snmp6/wg0") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Icmp6InRouterAdvertisements"))
    except OSError:
        return 0


def source_to(host):
    """The address that the kernel chooses for packets to a host; empty if there is no route."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp_socket:
        try:
            udp_socket.connect((host, PORT))
        except OSError:
            return b""
        return packed(udp_socket.getsockname()[0])


def solicit(request):
    """Sends an ICMPv6 message, given in hex without its checksum, to all routers, so many times."""
    source, destination = packed(request["from"]), packed("ff02::2")
    message = bytes.fromhex(request["message"])
    pseudo = source + destination + struct.pack("!II", len(message), socket.IPPROTO_ICMPV6)
    check = checksum(pseudo + message + bytes(len(message) % 2))
    if len(message) >= 4:
        message = message[:2] + struct.pack("!H", check) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, request["hops"])
    with tunnel() as out:
        for _ in range(request["count"]):
            out.send(header + source + destination + message)


def messages(datagram):
    """The flags of each netlink message."""
    while len(datagram) >= 16:
        length, _, flags = struct.unpack_from("=IHH", datagram)
        yield flags
        datagram = datagram[max(length + 3 & ~3, 16) :]


def requests(request):
    """Counts what programs ask of the kernel by netlink, as the device nlmon0 sees it."""
    end = time.monotonic() + request["seconds"]
    count = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        tap.bind(("nlmon0", 0))
        while (left := end - time.monotonic()) > 0:
            tap.settimeout(left)
            try:
                count += sum(flags & NLM_F_REQUEST for flags in messages(tap.recv(1 << 16)))
            except TimeoutError:
                break
    return count


def drain(listener):
    while True:
        listener.accept()[0].close()


def serve(request):
    try:
        if "netns" in request:
            enter(request["netns"])
        answer = {"result": OPERATIONS[request["operation"]](request)}
    except Exception as error:  # whatever it is, the test is to see it
        answer = {"error": f"{request['operation']}: {error}"}
    print(json.dumps({"id": request["id"], **answer}), flush=True)


OPERATIONS = {
    "connect": connect,
    "ping": ping,
    "send": send,
    "flood": flood,
    "address": address,
    "online": online,
    "reach": reach,
    "solicit": solicit,
    "requests": requests,
}


def main():
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, backlog=1024)
    threading.Thread(target=drain, args=(listener,), daemon=True).start()
    # Takes what send() and flood() let through: otherwise the kernel would answer that nobody wants it.
    sink = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    sink.bind(("::", PORT))
    print("ready", flush=True)
    for line in sys.stdin:
        threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


main()
