"""The commit protocol: of all attempts at a task one counts, whole, and the others leave nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import FoldBy, Mapper, Reducer, StoreError
from mapreduce.objectstore import registry
from tests.contract.faulty_store import SCRIPTS, FailAt
from tests.worker.build import Laid, fresh, ordered
from worker.layout import done_key, temporary_key


class Total(Reducer):
    """Adds up."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, sum(values)


class Counting(Mapper):
    """Counts records."""

    def map(self, record: tuple[Any, int]) -> Iterator[tuple[Any, int]]:
        self.task.count("records")
        self.task.count(f"attempt {self.task.attempt}")
        yield record


SPLITS = [[("a", 1), ("b", 2), ("a", 3)], [("b", 4), ("c", 5)]]
TOTALS = [("a", 4), ("b", 6), ("c", 5)]


@given(
    attempts=st.permutations([("map", task, number) for task in (0, 1) for number in range(3)]),
    reduces=st.permutations([("reduce", task, number) for task in (0, 1) for number in range(3)]),
)
def test_duplicates_in_any_order(attempts: list[Any], reduces: list[Any]) -> None:
    """The first attempt at a task to end commits; later ones are superseded and remove what they wrote."""
    laid = Laid(SPLITS, mapper=Counting(), reducer=Total())
    first: dict[Any, int] = {}
    for kind, task, number in [*attempts, *reduces]:
        if kind == "reduce" and (kind, task, number) == reduces[0]:
            laid.plan_reduce()
        outcome = (laid.map if kind == "map" else laid.reduce)(task, number)
        expected = "superseded" if (kind, task) in first else "committed"
        assert outcome == expected
        first.setdefault((kind, task), number)
    for (kind, task), number in first.items():
        commit = laid.commit(0 if kind == "map" else 1, task)
        assert (commit.task, commit.attempt) == (task, number)
        if kind == "map":
            assert commit.counters == {"records": len(SPLITS[task]), f"attempt {number}": len(SPLITS[task])}
    pairs = [pair for task in (0, 1) for pair in laid.part(1, task)]
    assert ordered(pairs) == TOTALS
    kept = {f"{laid.name}/shuffle/0/{task:05d}.{first['map', task]}" for task in (0, 1)}
    assert laid.names(f"{laid.name}/shuffle/") == kept
    parts = {laid.commit(1, task).part.key for task in (0, 1)}  # type: ignore[union-attr]
    assert laid.names(f"jobs/{laid.name}/rounds/1/out/") == parts - {""}
    assert laid.names(f"jobs/{laid.name}/rounds/0/failed/") == set()


@pytest.mark.parametrize("output", [False, True], ids=["kept", "output"])
def test_duplicates_at_the_same_time(output: bool) -> None:
    """Of attempts that race in threads exactly one commits, whatever they interleave."""
    for _ in range(5):
        place = fresh() if output else ""
        laid = Laid(SPLITS, mapper=Counting(), reducer=FoldBy(max), partitions=1, output=place)
        for kind in ("map", "reduce"):
            if kind == "reduce":
                assert laid.map(1) == "committed"
                laid.plan_reduce()
            start = threading.Barrier(6)
            run = laid.map if kind == "map" else laid.reduce

            def race(number: int, run: Any = run, start: threading.Barrier = start) -> Any:
                start.wait(30)
                return run(0, number)

            with ThreadPoolExecutor(6) as pool:
                assert sorted(pool.map(race, range(6))) == ["committed", *["superseded"] * 5]
        part = laid.commit(1).part
        assert part is not None
        assert part.records == 3
        assert part.key == (temporary_key(laid.name, 0, laid.commit(1).attempt) if output else part.key)
        assert len(laid.names(f"{laid.name}/shuffle/")) == 2


def test_an_attempt_that_is_started_twice() -> None:
    """A payload delivered twice does not remove what its first delivery committed."""
    laid = Laid(SPLITS, reducer=Total())
    assert [laid.map(0), laid.map(0), laid.map(1)] == ["committed"] * 3
    laid.plan_reduce()
    assert [laid.reduce(0), laid.reduce(0), laid.reduce(1), laid.reduce(1)] == ["committed"] * 4
    assert ordered(laid.part(1, 0) + laid.part(1, 1)) == TOTALS


def test_maps_alone() -> None:
    """Without a reducer a map task's pairs are its part; an empty one has no object."""
    laid = Laid([[("a", 1), ("a", 2)], []], mapper=Counting())
    assert laid.run() == [("a", 1), ("a", 2)]
    assert laid.names(f"jobs/{laid.name}/rounds/0/out/") == {laid.commit(0, 0).part.key}  # type: ignore[union-attr]
    assert laid.map(0, 1) == "superseded"
    assert laid.part(0, 0) == [("a", 1), ("a", 2)]


def test_a_failed_attempt_leaves_its_task_open() -> None:
    """After attempts that failed another one commits, and only its counters count."""

    class Flaky(Mapper):
        def map(self, record: Any) -> Iterator[Any]:
            self.task.count("seen", 10**self.task.attempt)
            yield record
            if self.task.attempt < 2 and record[0] == "b":
                raise OSError("not yet")

    laid = Laid([SPLITS[0]], mapper=Flaky(), reducer=Total())
    assert [laid.map(0, number) for number in range(4)] == ["failed", "failed", "committed", "superseded"]
    assert laid.commit(0).counters == {"seen": 300}
    assert [laid.failure(0, 0, number).reason for number in range(2)] == ["not yet"] * 2
    assert laid.names(f"jobs/{laid.name}/rounds/0/done/") == {done_key(laid.name, 0, 0)}


def test_what_a_commit_tells() -> None:
    """Records and bytes in and out, what was spilled, time, memory and requests are in the commit."""
    laid = Laid(SPLITS, mapper=Counting(), reducer=Total())
    laid.run()
    maps = [laid.commit(0, task) for task in (0, 1)]
    reduces = [laid.commit(1, task) for task in (0, 1)]
    assert [commit.metrics["records_in"] for commit in maps] == [3, 2]
    assert [commit.metrics["records_out"] for commit in maps] == [3, 2]
    assert sum(commit.metrics["records_in"] for commit in reduces) == 5
    assert sum(commit.metrics["records_out"] for commit in reduces) == 3
    written = sum(commit.receipt.size for commit in maps if commit.receipt is not None)
    assert sum(commit.metrics["bytes_out"] for commit in maps) == written
    assert sum(commit.metrics["bytes_in"] for commit in reduces) == written
    for commit in [*maps, *reduces]:
        assert commit.metrics["spilled"] == 0
        assert commit.metrics["seconds"] >= 0
        assert commit.metrics["peak_memory"] > 1_000_000
    # Code and row are two reads; then one write, and for a reduce task one read of each piece.
    assert maps[0].metrics["requests"]["put"] == 1
    assert maps[0].metrics["requests"]["get"] <= 2
    assert max(commit.metrics["requests"]["get"] for commit in reduces) <= 4


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a store that does what `SCRIPTS` says."""
    monkeypatch.setitem(registry.STORES, "faulty", "tests.contract.faulty_store:FaultyStore")
    name = f"attempt-{random.random()}"
    SCRIPTS[name] = lambda operation, key: None
    yield name
    del SCRIPTS[name]


@pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])
def test_a_store_that_fails_at_any_request(faulty: str, forever: bool) -> None:
    """Whatever request fails, an attempt fails, raises, or commits the whole; the next one makes it good."""
    number = 0
    finished = False
    while not finished:
        for kind in ("map", "reduce"):
            SCRIPTS[faulty] = lambda operation, key: None
            laid = Laid(SPLITS, reducer=Total(), storage=f"faulty://{faulty}", name=f"job-{number}-{kind}-{forever}")
            if kind == "reduce":
                assert [laid.map(0), laid.map(1)] == ["committed"] * 2
                laid.plan_reduce()
            script = SCRIPTS[faulty] = FailAt(number, forever=forever)
            try:
                outcome = laid.map() if kind == "map" else laid.reduce()
            except StoreError:
                outcome = None
            SCRIPTS[faulty] = lambda operation, key: None
            done = laid.names(done_key(laid.name, 0 if kind == "map" else 1, 0)) != set()
            failed = any("/failed/" in key for key in laid.names(f"jobs/{laid.name}"))
            if len(script.seen) <= number:
                assert (outcome, done, failed) == ("committed", True, False)
                finished = kind == "reduce"
            elif outcome == "failed":
                assert (done, failed) == (False, not forever)
            else:  # the answer of the last request may get lost
                assert outcome is None
                assert done is script.seen[number].startswith("put ")
            again = laid.map(0, 1) if kind == "map" else laid.reduce(0, 1)
            assert again == ("superseded" if done else "committed")
            if kind == "map":
                assert laid.map(1) == "committed"
                laid.plan_reduce()
                laid.reduce(0)
            laid.reduce(1)
            assert ordered(laid.part(1, 0) + laid.part(1, 1)) == TOTALS
        number += 1
    assert number > 5
