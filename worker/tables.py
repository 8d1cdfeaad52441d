"""Hash tables from keys to what has been made of their values: grouping and combining in memory.

The loops here run once for each pair of the job, so each table has its own, with nothing in it that
need not be. Memory is looked at only when a table has grown, or between calls of `add`.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod

# What Counter.update calls; that itself asks first, for each record, whether it was given a mapping.
from collections import _count_elements  # type: ignore[attr-defined]
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any

from mapreduce.stages import Fold, FoldBy, is_sum
from worker.budget import Budget, Pace
from worker.spill import Ordering

Pairs = Iterable[tuple[Any, Any]]

# Keys by which a table may grow, or values that it may take, before memory is looked at again.
_STEP = 8_192
# Values that a table of lists takes before it combines them.
_HELD = 100_000


def columns(pairs: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    """Keys and values of `pairs`.

    Raises:
        TypeError: one of them is no pair; the message shows it.
    """
    try:
        return [key for key, _ in pairs], [value for _, value in pairs]
    except (TypeError, ValueError):
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(f"(key, value) pairs must be yielded, not {pair!r:.200}") from None
        raise


class Table(ABC):
    """A hash table that calls `spill` with itself when memory runs out; `spill` must clear it."""

    def __init__(self, budget: Budget, spill: Callable[[Table], None]) -> None:
        self._budget = budget
        self._spill = spill
        self._pace = Pace(budget, _STEP)
        self._room = self._pace.step
        self.entries: dict[Any, Any] = {}

    @abstractmethod
    def add(self, pairs: Pairs) -> None:
        """Take in pairs of key and value, in order."""

    def add_columns(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Take in as many keys as values, in order."""
        self.add(zip(keys, values, strict=True))

    def pairs(self, ordering: Ordering | None = None) -> Iterator[tuple[Any, Any]]:
        """What the table holds, as pairs that `merge` of another table takes; in an order, if one is given."""
        if ordering is None:
            return iter(self.entries.items())
        return ((key, self.entries[key]) for key in ordering.keys(self.entries))

    def sort(self, ordering: Ordering) -> None:
        """Bring the keys into an order."""
        self.entries = {key: self.entries[key] for key in ordering.keys(self.entries)}

    def columns(self) -> tuple[Iterable[Any], Iterable[Any]]:
        """The keys and the values of `pairs`."""
        return self.entries.keys(), self.entries.values()

    def values(self) -> Iterator[Iterator[Any]]:
        """What the table holds of each key, in the order of `entries`."""
        return map(iter, zip(self.entries.values()))

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._room = self._pace.step

    def look(self) -> None:
        """Spill if memory has run out."""
        if self._budget.over():
            self._spill(self)

    def _grown(self) -> None:
        """The table has more keys than it had room for: make room, or spill."""
        if self._pace.over():
            self._spill(self)
        else:
            self._room = len(self.entries) + self._pace.step


class SumTable(Table):
    """Adds up the values of each key."""

    def add(self, pairs: Pairs) -> None:
        totals = self.entries
        for key, value in pairs:
            try:
                # Not +=: it would change a mutable value that the mapper may still hold.
                totals[key] = totals[key] + value
            except KeyError:
                self.new(key, value)

    def new(self, key: Any, value: Any) -> None:
        """Take in the first value of a key, while the KeyError is handled that came of adding it."""
        if key in self.entries:
            raise  # noqa: PLE0704 - the error that is being handled: it came from the addition
        self.entries[key] = value
        if len(self.entries) > self._room:
            self._grown()

    def count(self, keys: Iterable[Any]) -> None:
        """Take in keys that have the value 1 each."""
        keys = iter(keys)
        for key in keys:
            _count_elements(self.entries, chain((key,), islice(keys, _STEP)))
            if len(self.entries) > self._room:
                self._grown()


class FoldTable(Table):
    """Folds the values of each key into an accumulator, or merges accumulators.

    Args:
        start: the entry of a key's first value; None where that is the value itself.
        add: the entry after one more value.
    """

    def __init__(
        self,
        budget: Budget,
        spill: Callable[[Table], None],
        start: Callable[[Any], Any] | None,
        add: Callable[[Any, Any], Any],
    ) -> None:
        super().__init__(budget, spill)
        self._start = start
        self._add = add

    def add(self, pairs: Pairs) -> None:
        totals, start, add = self.entries, self._start, self._add
        for key, value in pairs:
            if key in totals:
                totals[key] = add(totals[key], value)
            else:
                totals[key] = value if start is None else start(value)
                if len(totals) > self._room:
                    self._grown()


class TotalTable(FoldTable):
    """Adds up values that are totals already, so that most keys are new."""

    def __init__(self, budget: Budget, spill: Callable[[Table], None]) -> None:
        super().__init__(budget, spill, None, operator.add)

    def add_columns(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        if set(map(type, values)) != {int}:  # of other types, 0 + value may be something else
            super().add_columns(keys, values)
            return
        totals = self.entries
        # Pair by pair, in native code: each total is looked up when those before it have been stored.
        totals.update(zip(keys, map(operator.add, map(totals.get, keys, repeat(0)), values), strict=True))
        if len(totals) > self._room:
            self._grown()


class ListTable(Table):
    """Collects the values of each key in a list."""

    def add(self, pairs: Pairs) -> None:
        groups = self.entries
        pairs = iter(pairs)
        while batch := list(islice(pairs, self._pace.step)):
            try:
                for key, value in batch:
                    try:
                        groups[key].append(value)
                    except KeyError:
                        groups[key] = [value]
            except (TypeError, ValueError):
                columns(batch)  # shows what is no pair
                raise
            self._taken(len(batch))

    def pairs(self, ordering: Ordering | None = None) -> Iterator[tuple[Any, Any]]:
        if ordering is None:
            return ((key, value) for key, values in self.entries.items() for value in values)
        return ((key, value) for key in ordering.keys(self.entries) for value in ordering.values(self.entries[key]))

    def columns(self) -> tuple[Iterable[Any], Iterable[Any]]:
        keys = (key for key, values in self.entries.items() for _ in values)
        return keys, chain.from_iterable(self.entries.values())

    def values(self) -> Iterator[Iterator[Any]]:
        return map(iter, self.entries.values())

    def _taken(self, count: int) -> None:
        """The table has taken in `count` pairs."""
        if self._pace.over():
            self._spill(self)


class CombineTable(ListTable):
    """Collects values, and lets the combiner make one of each list when there are many."""

    def __init__(
        self, budget: Budget, spill: Callable[[Table], None], combiner: Callable[[Iterable[Any]], Any]
    ) -> None:
        super().__init__(budget, spill)
        self._combiner = combiner
        self._held = 0
        self._most = _HELD

    def pairs(self, ordering: Ordering | None = None) -> Iterator[tuple[Any, Any]]:
        self._combine()
        return super().pairs(ordering)

    def columns(self) -> tuple[Iterable[Any], Iterable[Any]]:
        self._combine()
        return super().columns()

    def clear(self) -> None:
        super().clear()
        self._held = 0
        self._most = _HELD

    def _taken(self, count: int) -> None:
        self._held += count
        if self._held > self._most:
            self._combine()
        super()._taken(count)

    def _combine(self) -> None:
        for values in self.entries.values():
            if len(values) > 1:
                values[:] = [self._combiner(values)]
        self._held = len(self.entries)
        self._most = self._held + max(_HELD, self._held)


def mapping_table(
    budget: Budget, spill: Callable[[Table], None], combiner: Callable[[Iterable[Any]], Any] | None, reducer: object
) -> Table | None:
    """The table in which a map task combines its pairs; None where nothing combines."""
    if adds_up(combiner, reducer):
        return SumTable(budget, spill)
    if isinstance(reducer, FoldBy):
        return FoldTable(budget, spill, None, reducer.function)
    if isinstance(reducer, Fold):
        return FoldTable(budget, spill, reducer.start, reducer.add)
    return None if combiner is None else CombineTable(budget, spill, combiner)


def adds_up(combiner: Callable[[Iterable[Any]], Any] | None, reducer: object) -> bool:
    """Whether the values of a key are just added up."""
    if isinstance(reducer, Fold):
        return isinstance(reducer, FoldBy) and is_sum(reducer.function)
    return combiner is not None and is_sum(combiner)


def reducing_table(
    budget: Budget, spill: Callable[[Table], None], combiner: Callable[[Iterable[Any]], Any] | None, reducer: object
) -> Table:
    """The table in which a reduce task groups what `mapping_table`'s table gave."""
    if isinstance(reducer, Fold) and not isinstance(reducer, FoldBy):
        return FoldTable(budget, spill, None, reducer.merge)
    table = mapping_table(budget, spill, combiner, reducer) or ListTable(budget, spill)
    if isinstance(table, SumTable):
        return TotalTable(budget, spill)
    return table
