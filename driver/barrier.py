"""The barrier: which tasks of a round are done, by listing their commit records alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from mapreduce.objectstore import ObjectStore
from worker.layout import done_prefix

# A listing may take this share of the time; the rest is for the work itself.
_SHARE = 0.05
_LEAST = 0.005


class Barrier:
    """Lists the commit records of a round, no more often than their number allows.

    Args:
        storage: the object store of control keys.
        job: id of the job.
        round_number: number of the round.
        clock: gives the time in seconds.
    """

    def __init__(
        self, storage: ObjectStore, job: str, round_number: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._storage = storage
        self._prefix = done_prefix(job, round_number)
        self._clock = clock
        self._pause = 0.0
        self._last = float("-inf")

    def wait(self) -> float:
        """Seconds until the next listing is due; 0 when it is."""
        return max(0.0, self._last + self._pause - self._clock())

    def look(self) -> set[int]:
        """The tasks that have a commit record."""
        started = self._clock()
        tasks = {int(found.key[len(self._prefix) :]) for found in self._storage.list(self._prefix)}
        self._last = self._clock()
        self._pause = max(_LEAST, (self._last - started) / _SHARE)
        return tasks
