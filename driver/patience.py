"""A store whose network may be lost for minutes, or whose credentials may expire, while a job runs elsewhere.

Workers in the cloud go on while a laptop moves from one network to another, so its driver waits and asks
again, where it would otherwise give up what others are still working at.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, TypeVar

from mapreduce.errors import Unreachable
from mapreduce.objectstore import ObjectInfo, ObjectStore
from mapreduce.objectstore.base import Writer

T = TypeVar("T")

# Seconds for which a store that cannot be reached is asked again.
_BEAR = 1800.0
# Seconds, at most, between two tries; most of the time has passed in the store's own, shorter patience.
_PAUSE = 15.0


class PatientStore(ObjectStore):
    """Does what another store does, and asks it again when it cannot be reached.

    What is streamed, `create` and `open`, is not repeated: who uses these begins anew.

    Args:
        store: the other one.
        tell: takes what a person should know while it cannot be reached.
        wanted: tells whether anybody still waits for an answer.
        clock: gives the time in seconds, in which this machine was awake.
        pause: waits for so many seconds.
        uniform: a random number between two.
    """

    def __init__(
        self,
        store: ObjectStore,
        tell: Callable[[str], None],
        wanted: Callable[[], bool] = lambda: True,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__()
        self.url = store.url
        self.page = store.page
        self.concurrency = store.concurrency
        self.requests = store.requests
        self._store = store
        self._tell = tell
        self._wanted = wanted
        self._clock = clock
        self._pause = pause
        self._uniform = uniform
        self._given_up = False

    def create(self, key: str) -> AbstractContextManager[Writer]:
        return self._store.create(key)

    def open(self, key: str, start: int = 0, end: int | None = None) -> BinaryIO:
        return self._store.open(key, start, end)

    def put(self, key: str, data: bytes) -> None:
        self._again(lambda: self._store.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._again(lambda: self._store.put_if_absent(key, data))

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._again(lambda: self._store.get(key, start, end))

    def size(self, key: str) -> int:
        return self._again(lambda: self._store.size(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return iter(self._again(lambda: [*self._store.list(prefix)]))

    def delete(self, keys: Iterable[str]) -> None:
        names = [*keys]
        self._again(lambda: self._store.delete(names))

    def move(self, source: str, target: str) -> None:
        self._again(lambda: self._store.move(source, target))

    def reach(self) -> None:
        self._store.reach()

    def check(self) -> None:
        self._store.check()

    def free(self) -> int | None:
        return self._store.free()

    def sweep(self, prefix: str) -> None:
        self._again(lambda: self._store.sweep(prefix))

    def _again(self, act: Callable[[], T]) -> T:
        """What an act gives, once the store can be reached."""
        began: float | None = None
        number = 0
        while True:
            try:
                given = act()
            except Unreachable as error:
                now = self._clock()
                # Who has waited in vain once does not wait again, to clean up what cannot be reached.
                if self._given_up or not self._wanted():
                    raise
                if began is None:
                    began = now
                    self._tell(f"{error}; trying again for up to {_BEAR / 60:.0f} minutes")
                if now - began > _BEAR:
                    self._given_up = True
                    raise
                self._pause(self._uniform(0, min(_PAUSE, 0.5 * 2**number)))
                number = min(number + 1, 16)
                continue
            if began is not None:
                self._tell(f"{self.url} can be reached again, after {self._clock() - began:.0f} s")
            return given
