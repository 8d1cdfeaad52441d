"""How much memory and disk sandboxes use."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

import psutil


def memory_of(sessions: Iterable[int], limits: dict[int, int]) -> dict[int, int]:
    """Bytes of memory that all processes of each session use; `limits` are bytes that a session may use.

    Shared pages count in each process that has them, unless that would exceed the limit: then the pages
    are counted for good, which takes longer.
    """
    members: dict[int, list[psutil.Process]] = {session: [] for session in sessions}
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            session = os.getsid(pid)
            if session in members:
                members[session].append(psutil.Process(pid))
    return {session: _memory(processes, limits[session]) for session, processes in members.items()}


def _memory(processes: list[psutil.Process], limit: int) -> int:
    used = 0
    for process in processes:
        with suppress(psutil.Error):
            used += process.memory_info().rss
    if used <= limit or len(processes) == 1:
        return used
    used = 0
    for process in processes:
        with suppress(psutil.Error):
            full = process.memory_full_info()
            used += getattr(full, "pss", full.uss)
    return used


def peak_memory(pid: int) -> int:
    """Bytes of memory that a process has used at most, as Linux remembers it; 0 elsewhere."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def folder_bytes(folder: str) -> int:
    """Bytes of disk that the files below a folder use."""
    total = 0
    with suppress(OSError):  # files come and go meanwhile
        for entry in os.scandir(folder):
            with suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(entry.path)
    return total
