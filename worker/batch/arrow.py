"""What is done to columns of Arrow otherwise than to arrays of NumPy. Imported only where there are some."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mapreduce.arrow.keys import sort_indices
from mapreduce.blocks import Block
from mapreduce.errors import KeyTypeError
from mapreduce.ranges import kind_of
from worker.batch.columns import join_blocks

# What Arrow calls the combiners that it has.
_AGGREGATES = {np.add: "sum", np.minimum: "min", np.maximum: "max"}
# Bytes that are held at most: an array of strings cannot have more than twice as many.
_MOST = 1 << 30

_types: Any = pa.types


def combine_arrow(combiner: Any, block: Block) -> Block:
    """Each different key once, with its values combined by the ufunc `combiner`; else `block`, as it may stay too.

    Arrow adds, and finds the least and the largest, of integers and floats. Sums are of 64 bits, and where
    they might need more, nothing is added up here.
    """
    keys, values = block
    how = _AGGREGATES.get(combiner)
    whole, real = _types.is_integer(values.type), _types.is_floating(values.type)
    if how is None or not (whole or real):
        return block
    if how == "sum":
        if whole and not _adds_up(values):
            return block
        values = values.cast(pa.int64() if whole else pa.float64())
    if values.null_count or (real and how != "sum" and pc.any(pc.is_nan(values)).as_py()):
        return Block(keys, values)
    groups = pa.table([keys, values], ["key", "value"]).group_by("key", use_threads=False)
    found = groups.aggregate([("value", how)])
    return Block(*(pa.concat_arrays(found.column(name).chunks) for name in ("key", f"value_{how}")))


def _adds_up(values: Any) -> bool:
    """Whether no sum of some of these integers can leave 64 bits."""
    extremes = pc.min_max(values).as_py()
    return max(-(extremes["min"] or 0), extremes["max"] or 0) * len(values) < 1 << 63


class ArrowHeld:
    """Records in blocks of Arrow that are held to be sorted as one: see `Held`.

    Args:
        most: bytes that they may come to.
    """

    def __init__(self, most: int) -> None:
        self._most = min(most, _MOST)
        self._blocks: list[Block] = []
        self._size = 0
        self._kinds: tuple[str, str] | None = None

    @property
    def count(self) -> int:
        """How many records are held."""
        return sum(len(block.keys) for block in self._blocks)

    @property
    def full(self) -> bool:
        """Whether more than half of the room is taken."""
        return 2 * self._size > self._most

    def add(self, block: Block) -> bool:
        """Take in the records of `block`; False if there is no room for all of them.

        Raises:
            KeyTypeError: its columns are of other types than those before.
        """
        kinds = f"keys ({kind_of(block.keys)})", f"values ({kind_of(block.values)})"
        if self._kinds is not None and kinds != self._kinds:
            raise KeyTypeError(
                f"blocks of {' and '.join(self._kinds)} cannot be sorted with blocks of {' and '.join(kinds)}: yield"
                " keys of one type, and values of one type, from all batches"
            )
        self._kinds = kinds
        size = block.keys.nbytes + block.values.nbytes
        if self._blocks and self._size + size > self._most:
            return False
        self._blocks.append(block)
        self._size += size
        return True

    def whole(self) -> Block:
        """All records that are held."""
        self._blocks = [join_blocks(self._blocks)]
        return self._blocks[0]

    def clear(self) -> None:
        """Hold nothing."""
        self._blocks = []
        self._size = 0
        pa.default_memory_pool().release_unused()


class ArrowPlaces:
    """What records are sorted by, as columns of Arrow: see `Places`.

    Args:
        columns: the first decides; nulls come last.
    """

    def __init__(self, *columns: Any) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, number: int) -> Any:
        """The record's place in the order, to be compared with others'."""
        found = (column[number].as_py() for column in self._columns)
        return tuple((item is None, item) for item in found)

    def order(self) -> Any:
        """The numbers of the records in order."""
        return sort_indices(list(self._columns))
