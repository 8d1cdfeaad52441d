"""What records are sorted by: their keys, and behind them what orders a key's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from mapreduce.arrays.keys import Array, Rows, sortable_rows
from mapreduce.arrays.order import group_starts, sort_order
from mapreduce.arrow.columns import arrow_array, is_arrow
from mapreduce.blocks import Block
from worker.context import short

#: What a job's `sort_values` is: gives an array to sort by for an array of values; True: the values themselves.
SortValues = Callable[[Any], Any] | bool | None


class Places(Protocol):
    """The places of some records in an order."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any:
        """A record's place, to be compared with those of others."""

    def order(self) -> Array:
        """The numbers of the records in order; equal ones stay in the order they have."""


class RowPlaces:
    """Rows of bytes, whose order is that of the records."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> bytes:
        found: bytes = self._rows[number].tobytes()
        return found

    def order(self) -> Array:
        """The numbers of the records in order."""
        return sort_order(self._rows)


def places_of(block: Block, sort_values: SortValues) -> Places:
    """What the records of a block are sorted by.

    Raises:
        TypeError: `sort_values` gave no array of one item for each value.
    """
    by: Any = None
    if sort_values is not None:
        by = block.values if sort_values is True else sort_values(block.values)  # type: ignore[operator]
        if not hasattr(by, "__len__") or len(by) != len(block.values):
            raise TypeError(
                f"sort_values gave {short(by)} for an array of {len(block.values)} values: of arrays, it is given all"
                " of them, and must give an array of what each is sorted by"
            )
    if is_arrow(block.keys):
        from worker.batch.arrow import ArrowPlaces

        return ArrowPlaces(block.keys) if by is None else ArrowPlaces(block.keys, arrow_array(by))
    rows = sortable_rows(block.keys)
    return RowPlaces(rows if by is None else np.hstack((rows, sortable_rows(np.asarray(by)))))


def key_starts(keys: Any) -> Array:
    """Where each run of equal keys begins; `keys` must be sorted."""
    if is_arrow(keys):
        from mapreduce.arrow.keys import arrow_starts

        return arrow_starts(keys)
    return group_starts(sortable_rows(keys))


def same_key(one: Any, other: Any) -> bool:
    """Whether the first of some keys is the last of others."""
    if is_arrow(one):
        return bool(one[0].as_py() == other[-1].as_py())
    return bool(one[:1].tobytes() == other[-1:].tobytes())
