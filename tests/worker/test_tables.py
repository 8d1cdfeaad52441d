"""Tables equal a plain dict, whatever the pairs and whenever memory runs out."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Fold, FoldBy, Reducer
from tests.worker.build import Memory
from worker.budget import Budget
from worker.spill import Ordering
from worker.tables import CombineTable, FoldTable, ListTable, SumTable, Table, TotalTable, mapping_table, reducing_table

#: Equal keys of different types among them.
KEYS = st.sampled_from([0, False, -0.0, 1, True, 1.0, 2, "a", "1", b"a", None, (1, 2), (True, 2.0)])
PAIRS = st.lists(st.tuples(KEYS, st.integers(-5, 5)), max_size=60)
#: Several calls of `add`, and at which looks memory is full.
CALLS = st.lists(PAIRS, max_size=4)
FULL = st.lists(st.booleans(), max_size=40)

Make = Callable[[Budget, Callable[[Table], None]], Table]


class Spread(Fold):
    """Least and greatest value: an accumulator that is not a value."""

    def start(self, value: int) -> tuple[int, int]:
        return value, value

    def add(self, total: tuple[int, int], value: int) -> tuple[int, int]:
        return min(total[0], value), max(total[1], value)

    def merge(self, total: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        return min(total[0], other[0]), max(total[1], other[1])

    def result(self, key: Any, total: tuple[int, int]) -> Iterator[tuple[Any, tuple[int, int]]]:
        yield key, total


class Listed(Reducer):
    """Every value."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


class Spilled:
    """What a table spilled, each time as pairs."""

    def __init__(self, *, ordered: bool = False) -> None:
        self.pairs: list[list[tuple[Any, Any]]] = []
        self._ordered = ordered

    def __call__(self, table: Table) -> None:
        self.pairs.append(list(table.pairs(Ordering() if self._ordered else None)))
        table.clear()


def budget(full: Iterable[bool] = ()) -> Budget:
    """A budget whose memory is full at the looks that the script says."""
    return Budget(100_000_000, Memory(full))


def grouped(calls: Iterable[Iterable[tuple[Any, Any]]]) -> dict[Any, list[Any]]:
    """The model: each key's values."""
    groups: dict[Any, list[Any]] = {}
    for pairs in calls:
        for key, value in pairs:
            groups.setdefault(key, []).append(value)
    return groups


def shown(groups: dict[Any, Any]) -> dict[str, Any]:
    """With keys that tell 1 from True."""
    return {repr(key): value for key, value in groups.items()}


MAKERS: dict[str, tuple[Make, Callable[[list[int]], Any], Callable[[Any, Any], Any]]] = {
    "sum": (SumTable, sum, operator.add),
    "fold": (lambda budget, spill: FoldTable(budget, spill, None, max), max, max),
    "start": (
        lambda budget, spill: FoldTable(budget, spill, Spread().start, Spread().add),
        lambda values: (min(values), max(values)),
        Spread().merge,
    ),
    "combine": (lambda budget, spill: CombineTable(budget, spill, min), min, min),
}


@pytest.mark.parametrize("name", MAKERS)
@given(calls=CALLS, full=FULL)
def test_combining_equals_a_dict(name: str, calls: list[list[tuple[Any, int]]], full: list[bool]) -> None:
    """What was spilled and what is left, merged, is each key's values combined, under the key that came first."""
    make, combined, merge = MAKERS[name]
    spilled = Spilled()
    table = make(budget(full), spilled)
    for pairs in calls:
        table.add(iter(pairs))
        table.look()
    spilled(table)
    assert not table.entries
    found: dict[Any, Any] = {}
    for key, value in [pair for pairs in spilled.pairs for pair in pairs]:
        found[key] = merge(found[key], value) if key in found else value
    expected = {key: combined(values) for key, values in grouped(calls).items()}
    assert shown(found) == shown(expected)


@given(calls=st.lists(st.tuples(st.lists(KEYS), st.sampled_from([list, tuple, iter])), max_size=4), full=FULL)
def test_counting_equals_adding(
    calls: list[tuple[list[Any], Callable[[list[Any]], Iterable[Any]]]], full: list[bool]
) -> None:
    """Keys that come alone count as pairs with 1, whatever they come in."""
    spilled = Spilled()
    table = SumTable(budget(full), spilled)
    for keys, make in calls:
        table.count(make(keys))
        table.look()
    spilled(table)
    found = {key: sum(counts) for key, counts in grouped(spilled.pairs).items()}
    assert shown(found) == shown(
        {key: sum(ones) for key, ones in grouped([[(k, 1) for k in keys] for keys, _ in calls]).items()}
    )


@given(
    calls=st.lists(
        st.lists(st.tuples(KEYS, st.integers(-5, 5))) | st.lists(st.tuples(KEYS, st.just(-0.0))), max_size=5
    ),
    full=FULL,
)
def test_totals_equal_sums(calls: list[list[tuple[Any, float]]], full: list[bool]) -> None:
    """Columns of totals are added up like pairs: also when a key comes twice, and a sole value stays what it is."""
    spilled = Spilled()
    table = TotalTable(budget(full), spilled)
    for pairs in calls:
        table.add_columns([key for key, _ in pairs], [value for _, value in pairs])
        table.look()
    spilled(table)
    found = {key: functools.reduce(operator.add, totals) for key, totals in grouped(spilled.pairs).items()}
    expected = {key: functools.reduce(operator.add, values) for key, values in grouped(calls).items()}
    assert [(repr(key), repr(total)) for key, total in found.items()] == [
        (repr(key), repr(total)) for key, total in expected.items()
    ]


@pytest.mark.parametrize("make", [list, iter])
def test_counting_looks_at_memory(make: Callable[[Iterable[int]], Iterable[int]]) -> None:
    """One call with more new keys than memory holds spills in the middle."""
    spilled = Spilled()
    table = SumTable(budget([True] * 10_000), spilled)
    table.count(make(range(50_000)))
    assert max(map(len, spilled.pairs)) < 20_000
    spilled(table)
    assert sorted(pair for pairs in spilled.pairs for pair in pairs) == [(key, 1) for key in range(50_000)]


@pytest.mark.parametrize("name", [*MAKERS, "list"])
def test_adding_looks_at_memory(name: str) -> None:
    """So does one call of `add`, which may be all that a record yields."""
    make = MAKERS[name][0] if name in MAKERS else ListTable
    spilled = Spilled()
    table = make(budget([True] * 50_000), spilled)
    table.add((key, 1) for key in range(50_000))
    assert max(map(len, spilled.pairs)) < 20_000
    spilled(table)
    assert sorted(key for pairs in spilled.pairs for key, _ in pairs) == list(range(50_000))


@given(calls=CALLS, full=FULL)
def test_lists_equal_a_dict(calls: list[list[tuple[Any, int]]], full: list[bool]) -> None:
    """A table of lists loses no value, and keeps a key's values in their order."""
    spilled = Spilled()
    table = ListTable(budget(full), spilled)
    for pairs in calls:
        table.add(iter(pairs))
        table.look()
    left = {key: list(values) for key, values in zip(table.entries, table.values(), strict=True)}
    spilled.pairs.append([(key, value) for key, values in left.items() for value in values])
    assert shown(grouped(spilled.pairs)) == shown(grouped(calls))
    assert list(table.pairs()) == spilled.pairs[-1]
    assert list(zip(*table.columns(), strict=True)) == spilled.pairs[-1]


@pytest.mark.parametrize("name", [*MAKERS, "list"])
@given(pairs=PAIRS)
def test_ordered_pairs(name: str, pairs: list[tuple[Any, int]]) -> None:
    """Pairs in canonical order are the same pairs, equal keys together."""
    make = MAKERS[name][0] if name in MAKERS else ListTable
    table = make(budget(), Spilled())
    table.add(pairs)
    as_they_came = list(table.pairs())
    assert list(zip(*table.columns(), strict=True)) == as_they_came
    in_order = list(table.pairs(Ordering()))
    assert shown(grouped([in_order])) == shown(grouped([as_they_came]))
    keys = [key for key, _ in in_order]
    changes = sum(keys[n] != keys[n - 1] for n in range(1, len(keys)))
    assert changes == max(0, len(grouped([pairs])) - 1)


@given(pairs=st.lists(st.tuples(st.sampled_from([-17, -2, 3, 16, 300]), st.integers(-9, 9))))
def test_pairs_in_the_orders_of_a_job(pairs: list[tuple[int, int]]) -> None:
    """Keys come in Python's order, and the values of each in that of the job: so they are spilled."""
    table = ListTable(budget(), Spilled())
    table.add(pairs)
    by_size = Ordering(natural=True, sort_values=abs)
    assert list(table.pairs(by_size)) == sorted(pairs, key=lambda pair: (pair[0], abs(pair[1])))


@pytest.mark.parametrize("full", [[], [True] * 100], ids=["roomy", "full"])
@pytest.mark.parametrize(
    "make",
    [
        SumTable,
        lambda budget, spill: CombineTable(budget, spill, lambda lists: [one for some in lists for one in some]),
        lambda budget, spill: FoldTable(budget, spill, list, lambda total, value: total.extend(value) or total),
        ListTable,
    ],
    ids=["sum", "combine", "fold", "list"],
)
def test_what_the_mapper_holds_is_not_changed(make: Make, full: list[bool]) -> None:
    """A mapper may yield one mutable value again and again: combining makes new ones."""
    mine = ["mine"]
    spilled = Spilled()
    table = make(budget(full), spilled)
    for _ in range(3):
        table.add([("a", mine), ("b", mine), ("a", mine)])
        table.look()
    spilled(table)
    assert mine == ["mine"]
    totals = {key: [one for value in values for one in value] for key, values in grouped(spilled.pairs).items()}
    assert totals == {"a": ["mine"] * 6, "b": ["mine"] * 3}


def test_a_key_error_of_the_addition_is_no_new_key() -> None:
    """A KeyError that the values' addition raises reaches the user; no value is lost for it."""

    class Odd:
        def __add__(self, other: object) -> object:
            raise KeyError("of the user")

    table = SumTable(budget(), Spilled())
    with pytest.raises(KeyError, match="of the user"):
        table.add([("a", Odd()), ("a", Odd())])


def test_many_values_are_combined_before_memory_is_full() -> None:
    """A combiner keeps a table of lists short, however many values come."""
    most = 0

    def greatest(values: Iterable[int]) -> int:
        nonlocal most
        some = list(values)
        most = max(most, len(some))
        return max(some)

    table = CombineTable(budget(), Spilled(), greatest)
    table.add((n % 3, n) for n in range(300_000))
    assert sum(map(len, table.entries.values())) < 250_000
    assert 1 < most < 200_000
    assert sorted(table.pairs()) == [(0, 299_997), (1, 299_998), (2, 299_999)]


@pytest.mark.parametrize(
    ("combiner", "reducer", "mapping", "reducing"),
    [
        (None, Listed(), type(None), ListTable),
        (sum, Listed(), SumTable, TotalTable),
        (operator.add, Listed(), SumTable, TotalTable),
        (max, Listed(), CombineTable, CombineTable),
        (None, FoldBy(operator.add), SumTable, TotalTable),
        (None, FoldBy(max), FoldTable, FoldTable),
        (None, Spread(), FoldTable, FoldTable),
    ],
    ids=["list", "sum", "add", "combine", "fold-sum", "fold-by", "fold"],
)
def test_which_table(combiner: Any, reducer: Any, mapping: type, reducing: type) -> None:
    """Additions are added in place, folds folded, and lists collected only where nothing combines."""
    assert type(mapping_table(budget(), Spilled(), combiner, reducer)) is mapping
    assert type(reducing_table(budget(), Spilled(), combiner, reducer)) is reducing
