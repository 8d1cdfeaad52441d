"""What an attempt that fails writes down."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from typing import Any

import pytest

from driver.commits import Failure
from mapreduce import AuthenticationError, FoldBy, InputError, Mapper, Reducer
from mapreduce.seal import Seal
from mapreduce.stages import Task
from tests.worker.build import Laid
from worker.layout import failed_key


class Listed(Reducer):
    """Every value."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


class Unprintable(Exception):
    """Its message cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class Do(Mapper):
    """Does to records what it is told to."""

    def __init__(self, do: Any) -> None:
        self.do = do

    def map(self, record: Any) -> Any:
        return self.do(record)


class Raise(Mapper):
    """Raises at one record."""

    def __init__(self, error: BaseException, at: Any) -> None:
        self.error = error
        self.at = at

    def map(self, record: Any) -> Iterator[tuple[Any, int]]:
        if record == self.at:
            raise self.error
        yield record, 1


def failed_map(records: list[Any], **fields: Any) -> Failure:
    """The failure of a map task over these records."""
    laid = Laid([records], **fields)
    assert laid.map() == "failed"
    assert laid.names(f"jobs/{laid.name}/rounds/0/done/") == set()
    assert laid.names(f"{laid.name}/shuffle/") == set()
    return laid.failure(0)


def test_an_exception_of_the_user() -> None:
    """Type, message, traceback, place and record tell where to look."""
    failure = failed_map([*range(20)], mapper=Raise(InputError("bad record"), 11), reducer=Listed())
    assert (failure.kind, failure.reason, failure.record, failure.source) == (
        "InputError",
        "bad record",
        "11",
        "given/0",
    )
    assert failure.where.startswith(f"{__file__}:")
    assert failure.where.endswith(", in map")
    assert failure.traceback.startswith("Traceback (most recent call last)")
    assert failure.traceback.endswith("InputError: bad record\n")
    assert "raise self.error" in failure.traceback
    assert failure.lost == ()


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ValueError("v"), "ValueError", "v"),
        (KeyError("k"), "KeyError", "'k'"),
        (json.JSONDecodeError("bad", "{", 0), "json.decoder.JSONDecodeError", "bad: line 1"),
        (MemoryError(), "out of memory", ""),
        (SystemExit(3), "SystemExit", "3"),
        (RecursionError("deep"), "RecursionError", "deep"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "UnicodeDecodeError", "'utf-8' codec"),
        (ValueError("\ud800" + "x" * 100_000), "ValueError", "\ud800xxx"),
        (Unprintable(), "Unprintable", "its message cannot be shown: RuntimeError"),
    ],
    ids=["value", "key", "module", "memory", "exit", "recursion", "unicode", "long", "unprintable"],
)
@pytest.mark.parametrize("stage", ["map", "finish", "reduce"])
def test_any_exception_is_written_down(stage: str, error: BaseException, kind: str, reason: str) -> None:
    """Whatever user code raises ends its attempt alone, and is told, cut to a length that can be read."""

    class Finish(Mapper):
        def map(self, record: Any) -> Iterator[Any]:
            yield record, 1

        def finish(self) -> Iterator[Any]:
            raise error

    class Reduce(Reducer):
        def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[Any]:
            raise error

    if stage == "reduce":
        laid = Laid([[("key", 1)]], reducer=Reduce(), partitions=1)
        laid.map()
        laid.plan_reduce()
        assert laid.reduce() == "failed"
        failure = laid.failure(1)
        assert failure.record == "'key'"
    else:
        failure = failed_map([1, 2], mapper=Raise(error, 2) if stage == "map" else Finish(), reducer=Listed())
        assert failure.record == ("2" if stage == "map" else "")
    assert failure.kind.endswith(kind)
    assert failure.reason.startswith(reason)
    assert len(failure.reason) < 10_000
    assert failure.traceback


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (lambda record: None, "'NoneType' object is not iterable: Do.map must yield (key, value) pairs"),
        (lambda record: 5, "'int' object is not iterable: Do.map must yield (key, value) pairs"),
        (lambda record: [record], "not 1"),
        (lambda record: ["word"], "not 'word'"),
        (lambda record: [(record, 1, 1)], "not (1, 1, 1)"),
    ],
    ids=["none", "int", "bare", "word", "triple"],
)
@pytest.mark.parametrize("combiner", [None, sum, max], ids=["plain", "sum", "max"])
def test_what_is_no_pair(given: Any, shown: str, combiner: Any) -> None:
    """A mapper that yields something else than pairs is told that it must, and what it did or where."""
    failure = failed_map([1, 2], mapper=Do(given), combiner=combiner, reducer=Listed())
    assert failure.kind == "TypeError"
    assert "(key, value) pairs" in failure.reason
    assert shown in failure.reason or failure.record == "1"
    assert combiner is sum or shown in failure.reason


@pytest.mark.parametrize(
    ("key", "kind", "shown"),
    [
        ([1], ("TypeError", "KeyTypeError"), "list"),
        ({"a": 1}, ("TypeError", "KeyTypeError"), "dict"),
        (float("nan"), ("KeyTypeError",), "a NaN cannot be a key"),
        (object(), ("KeyTypeError",), "builtins.object has no stable hash"),
    ],
    ids=["list", "dict", "nan", "object"],
)
@pytest.mark.parametrize("combiner", [None, sum, max], ids=["plain", "sum", "max"])
def test_keys_that_cannot_be_keys(key: Any, kind: tuple[str, ...], shown: str, combiner: Any) -> None:
    """A key without hash or identity is an error that names it, combined or not."""
    failure = failed_map([1], mapper=Do(lambda record: [(key, 1), (key, 2)]), combiner=combiner, reducer=Listed())
    assert failure.kind in kind
    assert shown in failure.reason


def test_values_that_do_not_combine() -> None:
    """Values that cannot be added are told with the mapper that yields them."""
    failure = failed_map([1], mapper=Do(lambda record: [("a", 1), ("a", "b")]), reducer=FoldBy(operator.add))
    assert failure.kind == "TypeError"
    assert "unsupported operand" in failure.reason
    assert "values that the combiner can combine" in failure.reason


@pytest.mark.parametrize("records", [3, 3_000])
def test_errors_keep_their_kind_when_memory_runs_out(records: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that says itself what is wrong does so whether it arises in the middle of a task or at its end."""
    monkeypatch.setattr("worker.budget.resident_bytes", iter([0, *[1 << 40] * 100_000]).__next__)
    laid = Laid([[(n, 1) for n in range(records)]], reducer=Listed(), partitioner=lambda key, partitions: 9)
    assert laid.map() == "failed"
    assert laid.failure(0).kind == "ConfigError"
    assert laid.failure(0).reason.startswith("the partitioner gave 9 for the key 0")


def test_errors_inside_the_users_own_calls() -> None:
    """A TypeError that the user's code raises itself is not blamed on what it yields, through our methods neither."""
    for do in (len, miscount):
        failure = failed_map([1], mapper=Do(do), reducer=Listed())
        assert failure.kind == "TypeError"
        assert "must yield" not in failure.reason


def miscount(record: Any) -> list[tuple[Any, int]]:
    """Misuses the task."""
    Task().count("name", None)  # type: ignore[arg-type]
    return [(record, 1)]


def test_counters_are_ints() -> None:
    """A counter that came to something else is an error that names it; NumPy's ints are ints."""
    import numpy as np

    class Count(Mapper):
        def __init__(self, by: Any) -> None:
            self.by = by

        def map(self, record: Any) -> Iterator[Any]:
            self.task.count("odd", self.by)
            yield record, 1

    failure = failed_map([1], mapper=Count(0.5), partitions=0)
    assert failure.reason == "the counter 'odd' came to 0.5: counters take ints"
    laid = Laid([[1, 2]], mapper=Count(np.int64(3)))
    laid.run()
    assert laid.commit(0).counters == {"odd": 6}


def test_long_records_are_cut_short() -> None:
    """A failure does not grow with the record, nor with an object's repr, which may fail."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    def do(record: Any) -> Any:
        raise ValueError("x" * 100_000)

    for record, shown in (("y" * 10**6, "'yyy"), ([0] * 10**6, "[0, 0"), (Odd(), "<Odd whose repr fails: no repr>")):
        failure = failed_map([record], mapper=Do(do), reducer=Listed())
        assert failure.record.startswith(shown)
        assert len(failure.record) <= 300
        assert len(failure.reason) + len(failure.traceback) < 30_000


def test_failure_records_are_authenticated() -> None:
    """The driver does not believe a failure that no worker of the job wrote."""
    laid = Laid([[1]], mapper=Do(lambda record: 1 / 0), reducer=Listed())
    laid.map()
    key = failed_key(laid.name, 0, 0, 0)
    laid.storage.put(key, Seal.fresh().wrap(key, b"{}"))
    with pytest.raises(AuthenticationError):
        laid.failure(0)
