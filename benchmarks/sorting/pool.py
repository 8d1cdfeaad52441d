"""Processes that work through a list of ranges."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from benchmarks.process import end_with_parent
from mapreduce.errors import ConfigError, MapReduceError

T = TypeVar("T")
R = TypeVar("R")


def check_workers(workers: int | None) -> int:
    """How many processes: one for each processor by default.

    Raises:
        ConfigError: less than one.
    """
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers < 1:
        raise ConfigError(f"workers: {workers} is less than one")
    return workers


def work(function: Callable[[T], R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    """The results of `function` in the order of the tasks; in this process if there is but one task or worker.

    Raises:
        MapReduceError: a process was killed.
    """
    workers = min(workers, len(tasks))
    if workers < 2:
        yield from map(function, tasks)
        return
    # Not forked: the caller may have threads.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        yield from pool.map(function, tasks)
    except BrokenProcessPool as error:
        raise MapReduceError(
            "a worker process ended before its work was done; it was killed, perhaps for lack of memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    # Ctrl-C reaches all processes; the one that started the others ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
