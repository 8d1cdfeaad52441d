"""The memory of a worker: when to spill.

Sizes of Python objects cannot be added up cheaply or exactly, so the measure is the resident memory
of the process itself, asked for now and then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import lru_cache

# The share of the room that may fill up before something is spilled: spilling itself, growing
# dicts (doubled while the old table still lives) and user code need the rest.
_SHARE = 0.5
_MINIMUM = 8 << 20


class Budget:
    """Tells when the process has used up the memory that an attempt may hold.

    Args:
        memory: bytes that the whole process may use.
        resident: gives the resident bytes of the process now.
        own_process: whether the process is a worker's own. Otherwise (inline) what it holds already
            is not counted.
        kept: resident bytes that the attempt may use again.

    Attributes:
        limit: resident bytes at which to spill.
        room: bytes that the process may grow by, of which half is left for what cannot be foreseen.
        block: bytes that a block for the shuffle or the output should hold.
        run_block: bytes that a block of a spilled run should hold; many runs are read at once.
        window: bytes of shuffle data that may be read ahead.
        growth: bytes by which the process may grow before memory is looked at again.
        resident: gives the resident bytes of the process now.
        spilled: bytes written to local disk so far.
    """

    def __init__(
        self, memory: int, resident: Callable[[], int] | None = None, *, own_process: bool = True, kept: int = 0
    ) -> None:
        self.resident = resident or resident_bytes
        base = self.resident() - kept
        room = max(_MINIMUM, memory - base if own_process else memory)
        self.limit = base + int(room * _SHARE)
        self.room = room
        self.block = max(1 << 16, min(1 << 20, room // 64))
        self.run_block = max(1 << 14, min(1 << 20, room // 640))
        self.window = min(64 << 20, room // 8)
        self.growth = room // 32
        self.spilled = 0

    def over(self) -> bool:
        """Whether it is time to spill."""
        return self.resident() > self.limit


class Pace:
    """How many items to take before memory is looked at again, since nobody knows how large they are.

    Args:
        budget: of the attempt.
        most: items to take at a time while memory hardly grows.

    Attributes:
        step: items to take next.
        resident: resident bytes of the process when this last looked.
    """

    def __init__(self, budget: Budget, most: int) -> None:
        self.step = min(16, most)
        self._budget = budget
        self._most = most
        self.resident = budget.resident()

    def over(self) -> bool:
        """Whether it is time to spill, `step` items after this was last asked."""
        now = self._budget.resident()
        grown = max(1, now - self.resident)
        self.resident = now
        self.step = max(1, min(2 * self.step, self._most, self.step * self._budget.growth // grown))
        return now > self._budget.limit


def release() -> None:
    """Give freed memory back to the system where the C library would keep it (glibc)."""
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def resident_bytes() -> int:
    """The resident memory of this process in bytes."""
    if sys.platform == "linux":
        return int(os.pread(_statm(os.getpid()), 128, 0).split()[1]) * _PAGE
    import psutil

    return int(psutil.Process().memory_info().rss)


@lru_cache(maxsize=1)
def _statm(_process: int) -> int:
    """A descriptor of this process's memory figures, kept open: opening it takes five times as long as reading it."""
    return os.open("/proc/self/statm", os.O_RDONLY)


def peak_bytes() -> int:
    """The most resident memory that this process has had in its life, in bytes."""
    if sys.platform == "linux":  # where getrusage() counts in what the parent had when it started us
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
