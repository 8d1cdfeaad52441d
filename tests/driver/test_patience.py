"""What a driver does while a store cannot be reached."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from driver.patience import PatientStore
from mapreduce import StoreError, Unreachable
from mapreduce.objectstore import MemoryStore, ObjectInfo

_names = itertools.count()


class Lost(MemoryStore):
    """A store whose network is lost for some requests."""

    def __init__(self, losses: int, error: Exception | None = None) -> None:
        super().__init__(f"lost-{next(_names)}")
        self.losses = losses
        self.error = error or Unreachable("the store cannot be reached")
        self.asked = 0

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        self._lose()
        return super().get(key, start, end)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for info in super().list(prefix):
            yield info
            self._lose()

    def put(self, key: str, data: bytes) -> None:
        self._lose()
        super().put(key, data)

    def _lose(self) -> None:
        self.asked += 1
        if self.losses:
            self.losses -= 1
            raise self.error


class Time:
    """Time that passes by waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


def patient(store: Lost, told: list[str], wanted: Callable[[], bool] = lambda: True) -> PatientStore:
    time = Time()
    highest: Any = lambda low, high: high  # noqa: E731 - the longest pause of each
    return PatientStore(store, told.append, wanted, clock=lambda: time.now, pause=time.wait, uniform=highest)


def test_it_asks_again() -> None:
    """What was asked for comes when the network is back; people are told when it went, and when it came."""
    told: list[str] = []
    store = Lost(5)
    waiting = patient(store, told)
    waiting.put("key", b"value")
    assert waiting.get("key") == b"value"
    assert told == [
        "the store cannot be reached; trying again for up to 30 minutes",
        f"{store.url} can be reached again, after 16 s",
    ]


def test_listings_are_whole() -> None:
    """A listing that breaks off begins anew: no key comes twice."""
    store = Lost(0)
    for number in range(4):
        store.put(f"key{number}", b"")
    store.losses = 3
    assert [info.key for info in patient(store, []).list("")] == [f"key{number}" for number in range(4)]


def test_patience_ends() -> None:
    """After half an hour it is an error, and what comes then does not wait again."""
    store = Lost(10**6)
    waiting = patient(store, [])
    with pytest.raises(Unreachable):
        waiting.get("key")
    asked = store.asked
    assert asked > 1800 / 15
    with pytest.raises(Unreachable):
        waiting.put("key", b"")
    assert store.asked == asked + 1


def test_nobody_waits() -> None:
    """When the driver has been closed nobody waits."""
    store = Lost(10**6)
    with pytest.raises(Unreachable):
        patient(store, [], lambda: False).get("key")
    assert store.asked == 1


def test_other_errors() -> None:
    """What the store refuses is not asked again."""
    store = Lost(10**6, StoreError("no"))
    told: list[str] = []
    with pytest.raises(StoreError, match="no"):
        patient(store, told).get("key")
    assert (store.asked, told) == (1, [])
