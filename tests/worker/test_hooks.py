"""The hooks of stages, and what the task tells them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from mapreduce import Fold, Mapper, Reducer
from tests.worker.build import Laid


class Listed(Reducer):
    """Every value."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


class Hooks(Mapper):
    """Writes down which hook is called."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    def _note(self, name: str) -> None:
        print(name, file=sys.stderr)
        if name in self.fails.split():
            raise ValueError(f"in {name}")

    def setup(self) -> None:
        self._note(f"setup-{self.task.index}")

    def map(self, record: Any) -> Iterator[Any]:
        self._note("map")
        yield record, 1

    def finish(self) -> Iterator[Any]:
        self._note("finish")
        yield "end", 1

    def teardown(self) -> None:
        self._note("teardown")


@pytest.mark.parametrize(
    ("fails", "calls", "reason"),
    [
        ("", "setup-0 map map finish teardown", ""),
        ("setup-0", "setup-0 teardown", "in setup-0"),
        ("map", "setup-0 map teardown", "in map"),
        ("finish", "setup-0 map map finish teardown", "in finish"),
        ("teardown", "setup-0 map map finish teardown", "in teardown"),
        ("map teardown", "setup-0 map teardown", "in map"),
        ("setup-0 teardown", "setup-0 teardown", "in setup-0"),
    ],
    ids=["none", "setup", "map", "finish", "teardown", "map+teardown", "setup+teardown"],
)
def test_hooks(fails: str, calls: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Hooks are called in order, teardown after an error too; of two errors the first one is told."""
    laid = Laid([["a", "b"]], mapper=Hooks(fails), reducer=Listed())
    assert laid.map() == ("failed" if reason else "committed")
    assert capfd.readouterr().err.split() == calls.split()
    if reason:
        assert laid.failure(0).reason == reason


def test_hooks_of_a_fold() -> None:
    """A fold is set up wherever it works: beside the mapper, and where accumulators are merged."""

    class Set(Fold):
        def setup(self) -> None:
            self.one = 1

        def start(self, value: int) -> int:
            self.task.count("started")
            return value * self.one

        def add(self, total: int, value: int) -> int:
            return total + value * self.one

        def merge(self, total: int, other: int) -> int:
            self.task.count("merged")
            return total + other * self.one

        def result(self, key: Any, total: int) -> Iterator[tuple[Any, int]]:
            yield key, total * self.one

        def teardown(self) -> None:
            del self.one

    laid = Laid([[("a", 1), ("a", 2)], [("a", 3)]], reducer=Set(), partitions=1)
    assert laid.run() == [("a", 6)]
    assert [laid.commit(0, task).counters for task in (0, 1)] == [{"started": 1}] * 2
    assert laid.commit(1).counters == {"merged": 1}


def test_the_source_follows_the_input() -> None:
    """While a record is mapped, the task says which input it is from."""

    class Sources(Mapper):
        def map(self, record: Any) -> Iterator[Any]:
            yield self.task.source, record

    laid = Laid([["a"], ["b"]], mapper=Sources())
    assert laid.run() == [("given/0", "a"), ("given/1", "b")]
