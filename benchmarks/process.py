"""Processes and the machine, as measurements need them."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import mapreduce
from mapreduce.sizes import format_size

#: The folder that holds the benchmarks.
FOLDER = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True, kw_only=True)
class Whole:
    """What a whole process took, from the start of its interpreter to its exit.

    Attributes:
        seconds: of the clock.
        cpu: seconds of processors, of all its descendants too.
        problem: why it failed; "" if it did not.
    """

    seconds: float
    cpu: float
    problem: str = ""


def run_whole(
    command: Sequence[str], *, timeout: float, folder: str | None = None, environ: Mapping[str, str] | None = None
) -> Whole:
    """Run and time a command.

    Args:
        command: the program and its arguments.
        timeout: seconds after which it is killed.
        folder: where it runs.
        environ: variables to add to its environment.
    """
    # Compiling what is imported, each time anew, is no part of what a user waits for.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    reaper = [sys.executable, "-P", os.path.join(FOLDER, "reaper.py"), str(timeout), *command]
    told = subprocess.run(
        reaper, stdout=subprocess.PIPE, cwd=folder, env={**kept, **(environ or {})}, check=True
    ).stdout
    return Whole(**json.loads(told))


def with_ours(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variable that lets another process of this interpreter import these very packages."""
    others = environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.path.dirname(FOLDER) + (os.pathsep + others if others else "")}


def peak_memory() -> int:
    """The largest resident memory that this process has had, in bytes."""
    if sys.platform == "linux":
        # getrusage would count the parent too: a process starts in its parent's memory.
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, Any]:
    """What figures depend on."""
    import psutil  # which most users of this module do without

    return {
        "mapreduce": mapreduce.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "processor": _processor(),
        "memory": format_size(psutil.virtual_memory().total),
    }


def _processor() -> str:
    """The processor's name, or its family where the system does not tell it."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as told:
        for line in told:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def end_with_parent() -> None:
    """End this process when the one that began it has been killed; a process of a pool would wait for ever."""
    from multiprocessing import parent_process  # which most users of this module do without

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
