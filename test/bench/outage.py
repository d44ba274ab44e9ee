# SPDX-License-Identifier: GPL-2.0-only
"""outage.py SECONDS COMMAND…: for how many milliseconds any of the addresses on standard input has been nobody's in WireGuard while a
command was running, or after it; prints nothing if one still is after so many seconds. Nobody answers what it sends there.
"""

import socket
import subprocess
import sys
import time

NO_NEXT_HEADER = 59
REST = 0.001
CALM = 0.5


def main(seconds, *command):
    out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, NO_NEXT_HEADER)
    addresses = [(line.strip(), 0) for line in sys.stdin]

    def is_out():
        try:
            for address in addresses:
                out.sendto(b"", address)
            return False
        except OSError:
            return True

    start = time.monotonic()
    first = last = None
    with subprocess.Popen(command) as process:
        while True:
            now = time.monotonic()
            if is_out():
                first = first or now
                last = time.monotonic()
            elif process.poll() is not None and now - (last or start) > CALM:
                break
            if now - start > float(seconds):
                break
            time.sleep(REST)
    if time.monotonic() - start < float(seconds):
        print(1000 * (last - first + REST) if last else 0)


main(*sys.argv[1:])
