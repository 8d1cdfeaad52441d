"""Processes that begin a piece of work at the same moment."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

from benchmarks.process import end_with_parent

# Seconds after which processes that have not all come to the start are given up.
_PATIENCE = 600.0


class Work(Protocol):
    """What one process does: `act` alone is timed, when all processes have prepared."""

    def prepare(self) -> None:
        """Make all that is needed."""

    def act(self) -> None:
        """Do it."""

    def result(self) -> Any:
        """What came of it."""


@dataclass(frozen=True)
class Done:
    """What a piece of work took.

    Attributes:
        began: when, by the clock that all processes share.
        ended: when.
        cpu: seconds of processors, of all threads of the process.
        result: what came of it.
    """

    began: float
    ended: float
    cpu: float
    result: Any


class Crew:
    """Does several pieces of work at once, each in a process of its own; one alone in this process.

    Args:
        workers: how many processes there are.
    """

    def __init__(self, workers: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self.workers = workers
        if workers > 1:
            context = multiprocessing.get_context("spawn")
            barrier = context.Barrier(workers)
            self._pool = ProcessPoolExecutor(workers, context, initializer=_join, initargs=(barrier,))

    def run(self, works: Sequence[Work]) -> list[Done]:
        """Do `works`, as many as there are processes.

        Raises:
            Exception: what the first of them raised that did not only wait for another.
        """
        if self._pool is None:
            return [_do(work, None) for work in works]
        futures = [self._pool.submit(_do_together, work) for work in works]
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        for error in errors:
            if not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def elapsed(done: Sequence[Done]) -> float:
    """Seconds from the first beginning to the last end."""
    return max(one.ended for one in done) - min(one.began for one in done)


def share(count: int, workers: int) -> list[range]:
    """The numbers below `count`, dealt out to workers."""
    return [range(first, count, workers) for first in range(workers)]


_barrier: Any = None


def _join(barrier: Any) -> None:
    global _barrier  # noqa: PLW0603 - a process of the pool has one crew
    _barrier = barrier
    gc.set_threshold(50_000, 20, 50)  # as workers have it
    threading.Thread(target=end_with_parent, daemon=True).start()


def _do_together(work: Work) -> Done:
    return _do(work, _barrier)


def _do(work: Work, barrier: Any) -> Done:
    try:
        work.prepare()
    except BaseException:
        if barrier is not None:
            barrier.abort()
        raise
    if barrier is not None:
        barrier.wait(_PATIENCE)
    began, cpu = time.perf_counter(), time.process_time()
    work.act()
    ended, used = time.perf_counter(), time.process_time() - cpu
    return Done(began, ended, used, work.result())
