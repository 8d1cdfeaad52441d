"""A process that ends the sandboxes when the service is gone, however it went.

The service tells it over a pipe which sandboxes there are; when the pipe ends, so do they, with all that
they started, and the service's folder goes too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress


class Reaper:
    """The service's side of it."""

    def __init__(self, home: str) -> None:
        # A session of its own: Ctrl-C and the end of a terminal are not for it.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-P", os.path.abspath(__file__), home],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def note(self, pid: int) -> None:
        """This process leads a session that ends with the service."""
        self._tell(f"{pid}\n")

    def forget(self, pid: int) -> None:
        """That process has ended."""
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """Have everything ended and removed; returns when it is."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()


def main(home: str) -> None:
    """Wait for the end of standard input."""
    sessions: set[int] = set()
    for line in sys.stdin:
        pid = int(line)
        if pid > 0:
            sessions.add(pid)
        else:
            sessions.discard(-pid)
    for pid in sessions:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
