"""Ranges are read in order, several at once, within a window, and again where one is slow."""

from __future__ import annotations

import threading
from collections import Counter, deque
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import MissingObject
from mapreduce.errors import BlockError
from mapreduce.objectstore import FolderStore, MemoryStore
from shuffle.fetch import Fetcher, Patience, Range

PATIENCE = 30.0


class Remote(MemoryStore):
    """A store that asks a script before each read, and knows how many are under way."""

    concurrency = 4

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.lock = threading.Lock()
        self.reads: Counter[str] = Counter()
        self.under_way = 0
        self.held = 0
        self.most = 0
        self.most_held = 0

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        with self.lock:
            self.reads[key] += 1
            number = self.reads[key]
            self.under_way += 1
            self.held += (end or 0) - start
            self.most = max(self.most, self.under_way)
            self.most_held = max(self.most_held, self.held)
        try:
            self.before(key, number)
            return super().get(key, start, end)
        finally:
            with self.lock:
                self.under_way -= 1
                self.held -= (end or 0) - start

    def before(self, key: str, number: int) -> None:
        """What happens before the `number`th read of `key`."""


def remote(count: int = 8, size: int = 10) -> Remote:
    """A store with the objects "0", "1" and so on, all different."""
    store = Remote(f"fetch-{count}-{size}")
    store.__dict__["_objects"].clear()
    for number in range(count):
        store.put(str(number), bytes([number]) * size)
    return store


def ranges(count: int, size: int = 10) -> list[Range]:
    """All of each object."""
    return [Range(str(number), 0, size) for number in range(count)]


@given(
    spans=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(1, 10))),
    window=st.integers(1, 100),
    concurrency=st.integers(1, 5),
)
def test_any_ranges_come_in_order(spans: list[tuple[int, int, int]], window: int, concurrency: int) -> None:
    """Whatever is asked for comes in the order asked for, however many reads are under way."""
    store = remote()
    store.concurrency = concurrency
    wanted = [Range(str(number), start, min(10, start + size)) for number, start, size in spans]
    found = list(Fetcher(store, window).read(wanted))
    assert found == [bytes([int(span.key)]) * span.size for span in wanted]
    assert store.most <= concurrency


def test_several_are_read_at_once() -> None:
    """As many reads are under way as pay off."""
    store = remote()
    together = threading.Barrier(store.concurrency)
    store.before = lambda key, number: bool(together.wait(PATIENCE)) and None  # type: ignore[method-assign,assignment]
    assert len(list(Fetcher(store, 1000).read(ranges(8)))) == 8


@pytest.mark.parametrize(("window", "most"), [(1, 10), (10, 10), (25, 20), (1000, 40)])
def test_the_window_bounds_memory(window: int, most: int) -> None:
    """What is under way and what waits to be taken stays within the window; one range is read in any case."""
    store = remote(20)
    taken = 0
    for data in Fetcher(store, window).read(ranges(20)):
        taken += len(data)
        assert sum(store.reads.values()) * 10 - taken + len(data) <= most
    assert taken == 200


def test_a_slow_read_is_begun_again() -> None:
    """The second read of a slow range gives the bytes; the first one is not waited for."""
    store = remote()
    release = threading.Event()

    def before(key: str, number: int) -> None:
        if key == "3" and number == 1:
            assert release.wait(PATIENCE)

    store.before = before  # type: ignore[method-assign]
    found = list(Fetcher(store, 1000, lambda size: 0.05).read(ranges(8)))
    assert not release.is_set()
    release.set()
    assert found == [bytes([number]) * 10 for number in range(8)]
    assert store.reads["3"] == 2


def test_of_two_reads_a_failed_one_does_not_count() -> None:
    """When the second read fails, the first one, slow as it is, is waited for."""
    store = remote()
    failed = threading.Event()

    def before(key: str, number: int) -> None:
        if key == "3" and number == 1:
            assert failed.wait(PATIENCE)
        if key == "3" and number == 2:
            failed.set()
            raise MissingObject("scripted")

    store.before = before  # type: ignore[method-assign]
    found = list(Fetcher(store, 1000, lambda size: 0.05).read(ranges(8)))
    assert found == [bytes([number]) * 10 for number in range(8)]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_missing_and_short_objects(concurrency: int) -> None:
    """What is missing or cut short is an error when its turn comes; what lies before it is given."""
    store = remote(3)
    store.concurrency = concurrency
    for bad, error in ((Range("9", 0, 1), MissingObject), (Range("1", 5, 11), BlockError)):
        reading = Fetcher(store, 1000).read([Range("0", 0, 10), bad])
        assert next(reading) == bytes(10)
        with pytest.raises(error, match=bad.key):
            next(reading)


def test_reading_may_be_given_up() -> None:
    """A reader that stops leaves no thread that reads on."""
    store = remote(8)
    before = threading.active_count()
    reading = Fetcher(store, 1000).read(ranges(8))
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    for thread in threading.enumerate():
        if thread.name.startswith("fetch"):
            thread.join(PATIENCE)
    assert threading.active_count() <= before


def test_patience_learns() -> None:
    """Until enough reads have ended patience is long; then it follows what reads take here, and their size."""
    patience = Patience()
    assert patience(1) > 1
    for _ in range(20):
        patience.learn(1_000_000, 0.1)
    assert 0.25 <= patience(1_000_000) < 1
    assert patience(100_000_000) > 5 * patience(1_000_000)
    for _ in range(100):
        patience.learn(1_000_000, 2.0)
    assert patience(1_000_000) > 4


@given(st.lists(st.tuples(st.sampled_from([10, 1 << 20, (1 << 20) + 7, 3 << 20]), st.booleans()), max_size=8))
def test_what_is_kept_is_not_overwritten(steps: list[tuple[int, bool]]) -> None:
    """From a store that is near ranges come one by one, and what somebody keeps of them stays as it is."""
    with TemporaryDirectory() as folder:
        store = FolderStore(folder)
        data = b"".join(bytes([number]) * 251 for number in range(251)) * 51
        store.put("key", data)
        ranges = [Range("key", number, number + size) for number, (size, _) in enumerate(steps)]
        kept = []
        pieces = Fetcher(store, 1).read(ranges)
        for span, (_, keep) in zip(ranges, steps, strict=True):
            piece = next(pieces)
            assert bytes(piece) == data[span.start : span.end]
            if keep:
                kept.append((span, piece))
            del piece
        assert all(bytes(piece) == data[span.start : span.end] for span, piece in kept)


def test_memory_is_used_again(tmp_path: Path) -> None:
    """Large ranges of a store that is near, each let go before the next, lie in the same memory from the third on."""
    store = FolderStore(tmp_path)
    store.put("key", bytes(64 << 20))
    places = []
    for piece in Fetcher(store, 1).read([Range("key", n << 22, (n + 1) << 22) for n in range(16)]):
        places.append(np.frombuffer(piece, np.uint8).ctypes.data)
        del piece
    assert len(set(places[1:])) == 1


def test_memory_that_is_kept_is_not_prepared(tmp_path: Path) -> None:
    """Where all large ranges are kept, none has memory that could be used again: it would be written twice."""
    store = FolderStore(tmp_path)
    store.put("key", bytes(8 << 20))
    kept = list(Fetcher(store, 1).read([Range("key", n << 20, (n + 1) << 20) for n in range(8)]))
    assert {type(memoryview(piece).obj) for piece in kept} == {bytes}


def test_the_end_is_missing_nearby(tmp_path: Path) -> None:
    """An object that ends before its range does is an error, whatever memory it would be read into."""
    store = FolderStore(tmp_path)
    store.put("key", bytes(5 << 20))
    ranges = [Range("key", n << 21, (n + 1) << 21) for n in range(3)]
    for some in (ranges[2:], ranges):
        with pytest.raises(BlockError, match="key ends early: 1048576 of 2097152 bytes from offset 4194304"):
            deque(Fetcher(store, 1).read(some), maxlen=0)  # keeps none
