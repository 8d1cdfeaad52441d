"""Runs one command and tells, as JSON, what it and all its descendants took; a script of its own.

    reaper.py TIMEOUT COMMAND...

A process of its own, as it adopts what the command leaves behind (on Linux), ends it, and counts its
processor time, all without touching any other child of whoever measures.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def main(timeout: float, command: list[str]) -> None:
    """Run `command` for `timeout` seconds at most, and print the figures."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told)
        # `wait` with a timeout of its own looks only every 50 ms.
        watch = threading.Timer(timeout, child.kill)
        watch.start()
        try:
            status = child.wait()
            seconds = time.perf_counter() - began
        finally:
            watch.cancel()
            _end_descendants()
        told.seek(0)
        lines = told.read().decode(errors="replace").strip().splitlines() or ["no message"]
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    problem = "" if status == 0 else f"exit code {status} after {seconds:.0f} s: {lines[-1]}"
    print(json.dumps({"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "problem": problem}))


def _end_descendants() -> None:
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
