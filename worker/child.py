"""The process that runs attempts in a sandbox of a function, and its parent's view of it.

User code runs in a child of the process that speaks with the service, so that whatever ends it, memory
that runs out included, leaves somebody who can tell. A child serves one job: what that leaves behind
in modules, environment or open files ends with it. It is forked from a process that has the worker's
modules and no threads, which takes a few milliseconds.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, NoReturn

from worker.guarded import CANCELLED
from worker.local import read_frame, serve, write_frame

# Milliseconds between looks at the child's memory.
_LOOK = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")
# The share of the memory at which a child that was killed is taken to have used it up.
_NEARLY = 0.6


class Died(Exception):
    """A child ended, or had to be ended, in the middle of an attempt.

    Args:
        kind: what ended it, in a word; "" where the reason says all.
        reason: how it ended.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}" if kind else reason)
        self.kind = kind
        self.reason = reason


def fork(act: Callable[[], None]) -> int:
    """The id of a new process, in a group of its own, that does `act` and ends with status 0; 1 if it raises."""
    pid = os.fork()
    if pid:
        # Here too: the group must be there before anybody kills it, and in the child before it forks.
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(pid, pid)
        return pid
    status = 1
    try:
        os.setpgid(0, 0)  # not a session: the sandbox and all in it stay one
        act()
        status = 0
    except Exception:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


class Child:
    """A process that runs attempts, one after the other.

    Args:
        home: folder for what it caches; its own lies below.
        run: gives the answer to a frame, in the child.
    """

    def __init__(self, home: str, run: Callable[[bytes], str]) -> None:
        requests, to = os.pipe()
        answers, back = os.pipe()

        def act() -> None:
            os.close(to)
            os.close(answers)
            os.environ["MAPREDUCE_WORKER_HOME"] = home
            serve(requests, back, run)

        self.pid = fork(act)
        os.close(requests)
        os.close(back)
        self._to: BinaryIO = open(to, "wb")  # noqa: SIM115 - closed in `close`
        self._from: BinaryIO = open(answers, "rb", buffering=0)  # noqa: SIM115 - as above
        self._poll = select.poll()
        self._poll.register(self._from, select.POLLIN)
        self._folder = os.path.join(home, str(self.pid))
        self._ended = False

    def run(self, frame: bytes, seconds: float, memory: int) -> str:
        """The answer to a frame.

        Args:
            frame: tells what to do.
            seconds: after which the child is killed.
            memory: bytes of resident memory at which it is killed.

        Raises:
            Died: there is none.
        """
        deadline = time.monotonic() + seconds
        most = 0
        try:
            write_frame(self._to, frame)
            while not self._poll.poll(_LOOK):
                most = max(most, self._resident())
                if most > memory:
                    self._kill()
                    raise Died("out of memory", f"its process had {most >> 20} MiB, and may have {memory >> 20}")
                if time.monotonic() > deadline:
                    self._kill()
                    raise Died("timed out", f"it was killed after {seconds:.1f} s, when its function's time was over")
            answer = read_frame(self._from)
        except OSError:
            answer = None
        if answer is None:
            self._died(most > memory * _NEARLY)
        return answer.decode()

    def is_gone(self) -> bool:
        """Whether the process has ended, between attempts: a thread that one of them left may end it."""
        if not self._ended:
            self._ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return self._ended

    def close(self) -> None:
        """End the process, and all that it started and left."""
        self._kill()
        if not self._ended:
            os.waitpid(self.pid, 0)
            self._ended = True
        for pipe in (self._to, self._from):
            with suppress(OSError):  # what was buffered for a dead process
                pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _resident(self) -> int:
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as statm:
                return int(statm.read().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def _died(self, full: bool) -> NoReturn:  # noqa: FBT001 - private, one caller
        """Tell how the process ended; `full` is whether it had used up most of its memory."""
        for _ in range(100):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)  # its pipe is closed, so its end is near
        else:
            raise Died("", "its worker closed its pipe and did not end; it was killed")
        self._ended = True
        self._kill()  # what it had started
        code = os.waitstatus_to_exitcode(status)
        if code == CANCELLED:
            raise Died("cancelled", "its job was cancelled")
        if code >= 0:
            raise Died("", f"its worker exited with status {code} in the middle of the task")
        name = signal.Signals(-code).name
        if full and name == "SIGKILL":
            raise Died("out of memory", "the system killed its worker (SIGKILL) when memory had run out")
        why = " (as the system does when memory runs out)" if name == "SIGKILL" else ""
        raise Died("", f"its worker was killed by {name}{why}")
