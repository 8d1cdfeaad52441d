"""Reading ranges of objects: in order, several at once, and again where one is slow."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from mapreduce.columns import Buffer
from mapreduce.errors import BlockError
from mapreduce.objectstore import ObjectStore

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

# What a request is expected to take: this latency, and the bytes at this rate. How much more it
# takes here is learnt from those that have ended.
_LATENCY, _RATE = 0.015, 150e6
# A read that takes this many times as long as others did is begun a second time, but none sooner than this.
_SLOW, _SOONEST = 4.0, 0.25
# Ranges of fewer bytes are read into memory of their own: the C library uses that again.
_FRESH = 1 << 20
# Reads that must have ended before there is anything to compare with; until then reads have this long.
_LEARNT, _UNKNOWN = 8, 3.0
_REMEMBERED = 64
# Reads begun a second time, at once at most.
_AGAIN = 4


class Range(NamedTuple):
    """Bytes `start` to `end` of the object `key`."""

    key: str
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.end - self.start


class Patience:
    """How long a read may take before it counts as slow."""

    def __init__(self) -> None:
        self._factors: deque[float] = deque(maxlen=_REMEMBERED)

    def learn(self, size: int, seconds: float) -> None:
        """Take note of a read that has ended."""
        self._factors.append(seconds / _expected(size))

    def __call__(self, size: int) -> float:
        """Seconds for a read of `size` bytes."""
        if len(self._factors) < _LEARNT:
            return _UNKNOWN + _expected(size)
        return max(_SOONEST, _SLOW * median(self._factors) * _expected(size))


class Fetcher:
    """Reads ranges from an object store.

    Args:
        store: holds the objects.
        window: bytes, at most, that are under way or waiting to be taken; one range is read in any case.
        patience: gives the seconds that a read of so many bytes may take before it is begun again.
    """

    def __init__(self, store: ObjectStore, window: int, patience: Callable[[int], float] | None = None) -> None:
        self._store = store
        self._window = window
        self._learnt = Patience()
        self._patience = patience or self._learnt

    def read(self, ranges: Iterable[Range]) -> Iterator[Buffer]:
        """The bytes of each range, in the order given.

        Raises:
            MissingObject: an object does not exist.
            BlockError: an object ends before its range does.
        """
        if self._store.concurrency == 1:
            yield from self._near(ranges)
            return
        left = deque(ranges)
        if not left:
            return
        # Imported only where several reads at once pay: it brings much along that a worker's start would feel.
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(self._store.concurrency + _AGAIN, thread_name_prefix="fetch")
        waiting: deque[tuple[Range, float, Future[Buffer]]] = deque()
        held = 0
        try:
            while left or waiting:
                while left and len(waiting) < self._store.concurrency:
                    if held and held + left[0].size > self._window:
                        break
                    span = left.popleft()
                    held += span.size
                    waiting.append((span, time.monotonic(), pool.submit(self._get, span)))
                span, began, future = waiting.popleft()
                yield self._result(pool, span, began, future)
                held -= span.size
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _near(self, ranges: Iterable[Range]) -> Iterator[Buffer]:
        """The bytes of each range, one after the other; the memory of one is used again once nobody refers to it."""
        memory: Any = bytearray()
        alone = sys.getrefcount(memory)
        held = True
        for span in ranges:
            if span.size < _FRESH:
                yield self._read(span)
                continue
            data: memoryview | None
            if held:  # whoever kept what came before may keep this too, and memory of our own costs more to make
                data = self._read(span)
                memory = data.obj
            else:
                if not isinstance(memory, bytearray) or len(memory) < span.size:
                    memory = bytearray(span.size)
                self._read_into(memory, span)
                data = memoryview(memory)[: span.size]
            yield data
            data = None
            held = sys.getrefcount(memory) > alone

    def _read_into(self, memory: bytearray, span: Range) -> None:
        filled = 0
        with self._store.open(span.key, span.start, span.end) as stream, memoryview(memory) as view:
            while count := stream.readinto(view[filled : span.size]):  # type: ignore[attr-defined]  # as all have
                filled += count
        if filled != span.size:
            raise _short(span, filled)

    def _result(self, pool: ThreadPoolExecutor, span: Range, began: float, future: Future[Buffer]) -> Buffer:
        """What a read gives, or the second one that is begun when the first is slow."""
        from concurrent.futures import FIRST_COMPLETED, wait

        if future.done():
            return future.result()
        # A read that has waited for a thread has not been slow yet; counting from here is on the safe side.
        left = max(self._patience(span.size) - (time.monotonic() - began), _SOONEST / 10)
        try:
            return future.result(left)
        except TimeoutError:
            if future.done():  # just now, or it was the store that gave up
                return future.result()
        again = pool.submit(self._get, span)
        done, _ = wait([future, again], return_when=FIRST_COMPLETED)
        first = future if future in done else again
        if first.exception() is not None:
            first = again if first is future else future
        return first.result()

    def _get(self, span: Range) -> Buffer:
        began = time.monotonic()
        data = self._read(span)
        self._learnt.learn(span.size, time.monotonic() - began)
        return data

    def _read(self, span: Range) -> memoryview:
        data = self._store.view(span.key, span.start, span.end)
        if len(data) != span.size:
            raise _short(span, len(data))
        return data


def _short(span: Range, size: int) -> BlockError:
    return BlockError(f"{span.key} ends early: {size} of {span.size} bytes from offset {span.start}")


def _expected(size: int) -> float:
    return _LATENCY + size / _RATE
