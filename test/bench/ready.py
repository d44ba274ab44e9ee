# SPDX-License-Identifier: GPL-2.0-only
"""ready.py COMMAND…: milliseconds from starting a program until its first line, or its end if it prints none."""

import os
import subprocess
import sys
import time

start = time.monotonic()
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, process_group=0) as program:
    line = program.stdout.readline()
    elapsed = time.monotonic() - start
    print(elapsed * 1000)
    if line:
        program.terminate()
