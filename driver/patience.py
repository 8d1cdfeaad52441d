"""Patience with stores: a driver on a laptop meets lost networks, credentials that expire, and sleep."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, TypeVar

from driver.events import Callback, StorageLost, StorageReached
from mapreduce.errors import UnreachableStore
from mapreduce.objectstore import ObjectInfo, ObjectStore
from mapreduce.objectstore.base import Writer

T = TypeVar("T")

# Seconds between two tries: at most the first, doubled up to the last.
_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# What one try may use up of the patience, whatever a clock says that ran on while the machine slept.
_LONGEST_TRY = 60.0


class Patience:
    """Tries again what failed for a reason that may pass, with growing pauses and full jitter.

    Only time that was waited for counts: when the machine has slept for hours, or a clock was set, the
    rest of the patience is still there.

    Args:
        seconds: how long to go on.
        job: id of the job, for events.
        notify: takes an event when waiting begins, and one when it ends.
        clock: gives the time in seconds.
        sleep: waits for so many seconds.
        chance: gives numbers from 0 to 1.
    """

    def __init__(
        self,
        seconds: float,
        job: str,
        notify: Callback,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._seconds = seconds
        self._job = job
        self._notify = notify
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    def __call__(self, act: Callable[[], T]) -> T:
        """What `act` gives, sooner or later.

        Raises:
            UnreachableStore: it still could not when the patience was at its end.
        """
        waited, tries = 0.0, 0
        while True:
            began = self._clock()
            try:
                given = act()
            except UnreachableStore as error:
                waited += min(max(0.0, self._clock() - began), _LONGEST_TRY)
                if waited >= self._seconds:
                    raise
                if not tries:
                    self._notify(StorageLost(job=self._job, reason=str(error), patience=self._seconds))
                pause = self._chance() * min(_LONGEST_PAUSE, _PAUSE * 2 ** min(tries, 10))
                waited += pause
                tries += 1
                self._sleep(pause)
                continue
            if tries:
                self._notify(StorageReached(job=self._job, seconds=waited))
            return given


class PatientStore(ObjectStore):
    """Another store, asked with patience; except for `check` and `reach`, which are to find out how it is now."""

    def __init__(self, inner: ObjectStore, patience: Patience) -> None:
        super().__init__()
        self.inner = inner
        self.url = inner.url
        self.page = inner.page
        self.concurrency = inner.concurrency
        self.requests = inner.requests
        self._patience = patience

    def create(self, key: str) -> AbstractContextManager[Writer]:
        """See the contract; what is written piece by piece cannot be written again."""
        return self.inner.create(key)

    def put(self, key: str, data: bytes) -> None:
        self._patience(lambda: self.inner.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._patience(lambda: self.inner.put_if_absent(key, data))

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        return self._patience(lambda: self.inner.open(key, start, end))

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._patience(lambda: self.inner.get(key, start, end))

    def view(self, key: str, start: int, end: int) -> memoryview:
        return self._patience(lambda: self.inner.view(key, start, end))

    def size(self, key: str) -> int:
        return self._patience(lambda: self.inner.size(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(self._patience(lambda: [*self.inner.list(prefix)]))

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._patience(lambda: [*self.inner.folders(prefix)]))

    def delete(self, keys: Iterable[str]) -> None:
        known = [*keys]
        self._patience(lambda: self.inner.delete(known))

    def move(self, source: str, target: str) -> None:
        self._patience(lambda: self.inner.move(source, target))

    def reach(self) -> None:
        self.inner.reach()

    def check(self) -> None:
        self.inner.check()

    def free(self) -> int | None:
        return self.inner.free()

    def sweep(self, prefix: str) -> None:
        self._patience(lambda: self.inner.sweep(prefix))
