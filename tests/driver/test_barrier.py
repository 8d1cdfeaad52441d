"""The barrier looks often enough to be quick, and seldom enough to be cheap."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from driver.barrier import Barrier
from mapreduce.objectstore import MemoryStore, ObjectInfo
from tests.driver.scripted import Scripted
from worker.layout import done_key


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowStore(MemoryStore):
    """A store whose listings take a while on the clock."""

    def __init__(self, name: str, clock: Clock, seconds: float) -> None:
        super().__init__(name)
        self._clock = clock
        self._seconds = seconds

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._clock.now += self._seconds
        return super().list(prefix)


def test_tasks() -> None:
    """The tasks with a commit record are done, those of other rounds and jobs are not."""
    store = MemoryStore("barrier-tasks")
    for key in (done_key("a", 1, 0), done_key("a", 1, 123456), done_key("a", 11, 2), done_key("ab", 1, 3)):
        store.put(key, b"")
    assert Barrier(store, "a", 1).look() == {0, 123456}
    assert Barrier(store, "a", 2).look() == set()


def test_first_look_is_due() -> None:
    """A new barrier may look at once."""
    assert Barrier(MemoryStore("barrier-first"), "a", 0, Clock()).wait() == 0


def test_paced_by_cost() -> None:
    """Listings take at most a twentieth of the time."""
    clock = Clock()
    barrier = Barrier(SlowStore("barrier-cost", clock, 0.5), "a", 0, clock)
    barrier.look()
    assert barrier.wait() == pytest.approx(0.5 / 0.05)
    clock.now += 9
    assert barrier.wait() == pytest.approx(1)
    clock.now += 1
    assert barrier.wait() == 0


def test_paced_when_cheap() -> None:
    """Listings that cost nothing are not repeated without pause."""
    clock = Clock()
    barrier = Barrier(MemoryStore("barrier-cheap"), "a", 0, clock)
    barrier.look()
    assert 0 < barrier.wait() <= 0.01


def test_paged() -> None:
    """A look at n tasks costs a request for every page of them, no request for each."""
    store = MemoryStore("barrier-paged")
    for task in range(2500):
        store.put(done_key("a", 0, task), b"")
    before = store.requests.snapshot()["put"]
    assert len(Barrier(store, "a", 0).look()) == 2500
    assert store.requests.snapshot() == {"list": 3, "put": before}


def test_listings_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round lists by time, not by task: 500 tasks that end at one moment need two looks."""
    monkeypatch.setattr("driver.round.Barrier", functools.partial(Barrier, clock=Clock()))
    executor = Scripted(lambda attempt: "")
    executor.round(tasks=500).run()
    assert executor.store.requests.snapshot()["list"] == 2
