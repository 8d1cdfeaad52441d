"""Any job gives what a plain dict gives, however it is combined, split, partitioned and spilled."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Fold, FoldBy, Reducer
from tests.worker.build import Laid, Memory, ordered

#: Equal keys of different types, text with and without surrogates, tuples of both.
KEYS = st.sampled_from([0, False, -0.0, 1, True, 1.0, 2, "a", "1", "é", "\ud800", b"a", None, (1, "x"), (True, "x")])
SPLITS = st.lists(st.lists(st.tuples(KEYS, st.integers(-3, 3)), max_size=25), min_size=1, max_size=4)
FULL = st.lists(st.booleans(), max_size=60)


class Sorted(Reducer):
    """Every value, in an order of their own."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, sorted(values)


class Total(Reducer):
    """The sum, which a combiner may have begun."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, sum(values)


class Greatest(Reducer):
    """The greatest value."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, max(values)


class Lazy(Reducer):
    """Reads only the first value of some keys."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        if key is None:
            yield key, next(values)
        yield key, 0


class Union(Fold):
    """All values as an accumulator that is changed in place."""

    def start(self, value: int) -> list[int]:
        return [value]

    def add(self, total: list[int], value: int) -> list[int]:
        total.append(value)
        return total

    def merge(self, total: list[int], other: list[int]) -> list[int]:
        total += other
        return total

    def result(self, key: Any, total: list[int]) -> Iterator[tuple[Any, Any]]:
        yield key, sorted(total)


JOBS: dict[str, tuple[Any, Any, Any]] = {
    "none": (None, Sorted(), sorted),
    "sum": (sum, Total(), sum),
    "add": (None, FoldBy(operator.add), sum),
    "max": (max, Greatest(), max),
    "fold": (None, Union(), sorted),
    "by": (None, FoldBy(max), max),
    "uncombined": (None, Total(), sum),
}


def groups_of(splits: list[list[tuple[Any, Any]]]) -> dict[Any, list[Any]]:
    """The model: each key, as it was emitted first, with its values."""
    groups: dict[Any, list[Any]] = {}
    for pairs in splits:
        for key, value in pairs:
            groups.setdefault(key, []).append(value)
    return groups


@pytest.mark.parametrize("name", JOBS)
@given(splits=SPLITS, partitions=st.integers(1, 3), full=FULL)
def test_equals_a_dict(name: str, splits: list[list[tuple[Any, int]]], partitions: int, full: list[bool]) -> None:
    """Each key comes once, as it was emitted first, with what its values come to."""
    combiner, reducer, expected = JOBS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory(full))
        pairs = Laid(splits, combiner=combiner, reducer=reducer, partitions=partitions).run()
    model = [(key, expected(values)) for key, values in groups_of(splits).items()]
    assert list(map(repr, ordered(pairs))) == list(map(repr, ordered(model)))


@given(splits=SPLITS, full=FULL)
def test_runs_are_alike(splits: list[list[tuple[Any, int]]], full: list[bool]) -> None:
    """The same input and settings give the same pairs in the same order."""
    found = []
    for _ in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("worker.budget.resident_bytes", Memory(full))
            found.append(Laid(splits, reducer=FoldBy(operator.sub), partitions=2).run())
    assert list(map(repr, found[0])) == list(map(repr, found[1]))


@given(splits=SPLITS, full=FULL)
def test_values_need_not_be_read(splits: list[list[tuple[Any, int]]], full: list[bool]) -> None:
    """A reducer that leaves values unread gets every other key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory(full))
        pairs = Laid(splits, reducer=Lazy(), partitions=1).run()
    groups = groups_of(splits)
    assert ordered(pairs) == ordered(
        [(key, 0) for key in groups] + [(None, values[0]) for values in [groups.get(None)] if values]
    )


@pytest.mark.parametrize("name", JOBS)
def test_few_keys_that_grow(name: str) -> None:
    """Memory is looked at where no key is new too: what is made of a key's values may grow."""
    combiner, reducer, expected = JOBS[name]
    splits = [[("a", n), ("b", -n)] for n in range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory([True] * 100_000))
        laid = Laid(splits, combiner=combiner, reducer=reducer, partitions=1)
        pairs = laid.run()
    assert ordered(pairs) == ordered((key, expected(values)) for key, values in groups_of(splits).items())
    assert laid.commit(1).metrics["spilled"] > 0


class AsTheyCome(Reducer):
    """Every value, in the order in which they come."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


#: Integers, whose order is not that of their encodings: few, so that a run has some values of each.
FEW = [-17, -2, 3, 16, 300]
INTEGERS = st.lists(st.lists(st.tuples(st.sampled_from(FEW), st.integers(-9, 9)), max_size=25), min_size=1, max_size=4)
BY: dict[str, Any] = {"none": None, "themselves": True, "backwards": operator.neg, "size": abs}


@pytest.mark.parametrize("by", BY)
@given(splits=INTEGERS, full=FULL)
def test_orders(by: str, splits: list[list[tuple[int, int]]], full: list[bool]) -> None:
    """Keys come in Python's order, and their values in the job's, of equal ones those of earlier tasks first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory(full))
        pairs = Laid(splits, reducer=AsTheyCome(), order="sorted", sort_values=BY[by], partitions=1).run()
    model = sorted(groups_of(splits).items())
    sort = BY[by] if callable(BY[by]) else None
    assert pairs == [(key, sorted(values, key=sort) if BY[by] else values) for key, values in model]


@pytest.mark.parametrize("name", JOBS)
def test_always_out_of_memory(name: str) -> None:
    """With memory full at every look a job is slow, and right."""
    combiner, reducer, expected = JOBS[name]
    splits = [[(f"key {n % 40}", n) for n in range(task, 600, 3)] for task in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory([True] * 100_000))
        laid = Laid(splits, combiner=combiner, reducer=reducer, partitions=2)
        pairs = laid.run()
    assert ordered(pairs) == ordered((key, expected(values)) for key, values in groups_of(splits).items())
    assert sum(laid.commit(1, task).metrics["spilled"] for task in (0, 1)) > 0


@pytest.mark.parametrize("name", JOBS)
@given(splits=INTEGERS, full=FULL)
@settings(max_examples=25)
def test_sorted(name: str, splits: list[list[tuple[int, int]]], full: list[bool]) -> None:
    """Whatever a job does with its values, its keys come in Python's order where they are to."""
    combiner, reducer, expected = JOBS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory(full))
        pairs = Laid(splits, combiner=combiner, reducer=reducer, order="sorted", partitions=1).run()
    assert pairs == [(key, expected(values)) for key, values in sorted(groups_of(splits).items())]


@pytest.mark.parametrize("by", BY)
def test_orders_always_out_of_memory(by: str) -> None:
    """So do orders: more runs than are merged at once, and groups in all of them."""
    splits = [[(FEW[n * 7919 % 5], n * 31 % 97 - 48) for n in range(task, 1200, 40)] for task in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.budget.resident_bytes", Memory([True] * 100_000))
        laid = Laid(splits, reducer=AsTheyCome(), order="sorted", sort_values=BY[by], partitions=1)
        pairs = laid.run()
    sort = BY[by] if callable(BY[by]) else None
    model = sorted(groups_of(splits).items())
    assert pairs == [(key, sorted(values, key=sort) if BY[by] else values) for key, values in model]
    assert laid.commit(1).metrics["spilled"] > 0
