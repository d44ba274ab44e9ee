# SPDX-License-Identifier: GPL-2.0-only
"""Becomes a program whose output has to pass a gate: a pipe which is full, until someone reads of it, as OUTLET in /proc.

By O_DIRECT each byte is a packet of its own and has a page to itself (pipe(2)): a byte that is taken lets one byte in.
"""

import os
import sys

OUTLET = 10
STDOUT = 1

outlet, inlet = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
try:
    while True:
        os.write(inlet, b"\0")
except BlockingIOError:
    pass
os.dup2(outlet, OUTLET)
os.dup2(inlet, STDOUT)
os.execvp(sys.argv[1], sys.argv[1:])
