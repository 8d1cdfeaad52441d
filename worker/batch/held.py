"""Records that are held in one piece of memory, so that they can be sorted as one array."""

from __future__ import annotations

import math
from typing import Any

from mapreduce.blocks import Block
from mapreduce.columns import view_into, view_offset
from mapreduce.errors import KeyTypeError
from mapreduce.ranges import kind_of
from worker.batch.scratch import Bytes

_ALIGN = 64


class Held:
    """Columns in `memory`: values from its beginning, and keys behind them unless they are a view into the values.

    Args:
        memory: where the records lie.
        most: bytes that records may come to, `beside` for each included.
        beside: bytes that each record needs elsewhere.
    """

    def __init__(self, memory: Bytes, most: int, beside: int) -> None:
        self._memory = memory
        self._most = most
        self._beside = beside
        self._kinds: tuple[str, str] | None = None
        self._keys: Any = None  # as many as there is room for
        self._values: Any = None
        self._offset: int | None = None
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether more than half of the room is taken."""
        return self._values is not None and 2 * self.count > len(self._values)

    def add(self, block: Block) -> bool:
        """Copy the records of `block`; False if there is no room for all of them.

        Raises:
            KeyTypeError: its arrays are of other kinds than those before.
        """
        self._check(block)
        offset = view_offset(*block)
        if self.count == 0:
            self._divide(block, offset)
        end = self.count + len(block.keys)
        if end > len(self._values) or offset != self._offset:
            return False
        self._values[self.count : end] = block.values
        if offset is None:
            self._keys[self.count : end] = block.keys
        self.count = end
        return True

    def whole(self) -> Block:
        """All records that are held, where they lie."""
        values = self._values[: self.count]
        if self._offset is None:
            return Block(self._keys[: self.count], values)
        return Block(view_into(values, self._offset, self._keys.dtype, self._keys.shape[1:]), values)

    def clear(self) -> None:
        """Hold nothing."""
        self.count = 0

    def _check(self, block: Block) -> None:
        kinds = f"keys ({kind_of(block.keys)})", f"values ({_kind_of_values(block.values)})"
        if self._kinds is not None and kinds != self._kinds:
            raise KeyTypeError(
                f"blocks of {' and '.join(self._kinds)} cannot be sorted with blocks of {' and '.join(kinds)}: yield"
                " keys of one dtype and width, and values of one dtype and shape, from all batches"
            )
        self._kinds = kinds

    def _divide(self, block: Block, offset: int | None) -> None:
        """Give each column its share of the memory."""
        keys, values = block
        self._offset = offset
        size = _size(values) + (_size(keys) if offset is None else 0)
        room = max(0, min(len(self._memory) - 2 * _ALIGN, self._most * size // (size + self._beside)))
        most = room // max(1, size)
        self._values, end = self._column(values, 0, most)
        self._keys = keys[:0] if offset is not None else self._column(keys, end + -end % _ALIGN, most)[0]

    def _column(self, column: Any, start: int, most: int) -> tuple[Any, int]:
        end = start + most * _size(column)
        return self._memory[start:end].view(column.dtype).reshape(most, *column.shape[1:]), end


def _kind_of_values(values: Any) -> str:
    return f"{values.dtype}, {values.shape[1:]}" if hasattr(values, "dtype") else kind_of(values)


def _size(column: Any) -> int:
    """Bytes of an item of a column."""
    return int(column.dtype.itemsize * math.prod(column.shape[1:]))
