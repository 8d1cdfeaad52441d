"""Blocks that user code yields, checked: keys in their canonical type, and values beside them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mapreduce.arrays.keys import Array, canonical_keys
from mapreduce.arrow.columns import arrow_array, is_arrow
from mapreduce.blocks import Block
from mapreduce.columns import view_into, view_offset
from worker.context import short


def array_block(block: Any, stage: str) -> Block:
    """`block` with keys in their canonical dtype, or type of Arrow.

    Args:
        block: what user code yielded.
        stage: who yielded it, for errors.

    Raises:
        TypeError: it is no block of two arrays of one length.
        KeyTypeError: its keys cannot be grouped.
    """
    keys, values = any_block(block, stage)
    if is_arrow(keys):
        from mapreduce.arrow.keys import canonical_arrow

        return Block(canonical_arrow(keys), values)
    if not isinstance(keys, np.ndarray) or not isinstance(values, np.ndarray):
        raise TypeError(
            f"{stage} must yield blocks whose keys and values are NumPy arrays, or columns of Arrow, for a reducer of"
            f" arrays; not {type(keys).__name__} and {type(values).__name__}"
        )
    if values.dtype.hasobject or not values.dtype.itemsize:
        raise TypeError(f"{stage} yielded values of dtype {values.dtype}: arrays that are shuffled hold plain data")
    return Block(canonical_keys(keys), values)


def any_block(block: Any, stage: str) -> Block:
    """`block`, whose columns may be lists too; where one is of Arrow, both are made arrays of pyarrow.

    Raises:
        TypeError: it is no pair of columns of one length.
    """
    if not isinstance(block, tuple | list) or len(block) != 2:
        raise TypeError(f"{stage} must yield Block(keys, values), not {short(block)}")
    keys, values = block
    if is_arrow(keys) or is_arrow(values):
        keys, values = arrow_array(keys), arrow_array(values)
    if not hasattr(keys, "__len__") or not hasattr(values, "__len__") or isinstance(keys, str | bytes):
        raise TypeError(f"{stage} must yield Block(keys, values) of two columns, not {short(block)}")
    if len(keys) != len(values):
        raise TypeError(f"{stage} yielded a block of {len(keys)} keys and {len(values)} values")
    return Block(keys, values)


def yielded(blocks: Any, stage: str) -> Iterable[Any]:
    """What a method of user code returned, if it can be the blocks that it was to yield.

    Raises:
        TypeError: it returned nothing, or a block.
    """
    if isinstance(blocks, Block) or not isinstance(blocks, Iterable):
        raise TypeError(f"{stage} must yield Block(keys, values), and it returned {short(blocks)}: use yield")
    return blocks


def take(column: Array, order: Array) -> Array:
    """The items of `column` at the places `order`."""
    if is_arrow(column):
        taken: Array = column.take(order)
        return taken
    if column.ndim > 1 and column.flags.c_contiguous:  # whole items at a time
        items = np.take(_items(column), order, mode="clip")
        return items.view(column.dtype).reshape(len(order), *column.shape[1:])
    return np.take(column, order, axis=0, mode="clip")


def take_into(memory: Array, column: Array, order: Array) -> Array:
    """The items of `column` at the places `order`, gathered at the beginning of `memory`, an array of bytes."""
    size = len(order) * column.dtype.itemsize * math.prod(column.shape[1:])
    if column.ndim > 1 and column.flags.c_contiguous:
        items = _items(column)
        np.take(items, order, out=memory[:size].view(items.dtype), mode="clip")
    else:
        out = memory[:size].view(column.dtype).reshape(len(order), *column.shape[1:])
        np.take(column, order, axis=0, out=out, mode="clip")
    found: Array = memory[:size].view(column.dtype).reshape(len(order), *column.shape[1:])
    return found


def take_block(block: Block, order: Array) -> Block:
    """The records of `block` at the places `order`; keys that are a view into the values stay one."""
    values = take(block.values, order)
    return Block(_keys_like(block, values) if _is_view(block) else take(block.keys, order), values)


class Gather:
    """Takes records out of blocks as `take_block` does, into the same memory each time.

    Unless somebody still refers to what was taken before: then into fresh memory, which is dear.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)
        self._alone = sys.getrefcount(self._memory)  # as long as nothing else refers to it

    def __call__(self, block: Block, order: Array) -> Block:
        """The records of `block` at the places `order`."""
        if is_arrow(block.values):
            return take_block(block, order)
        size = len(order) * (block.values.nbytes // len(block.values)) if len(order) else 0
        if len(self._memory) < size or sys.getrefcount(self._memory) > self._alone:
            self._memory = np.empty(size, np.uint8)
        values = take_into(self._memory, block.values, order)
        return Block(_keys_like(block, values) if _is_view(block) else take(block.keys, order), values)


def join_blocks(blocks: Sequence[Block]) -> Block:
    """The records of all `blocks`, one block or more, in one."""
    if len(blocks) == 1:
        return blocks[0]
    if is_arrow(blocks[0].values):
        import pyarrow as pa

        return Block(*map(pa.concat_arrays, zip(*blocks, strict=True)))
    values = np.concatenate([block.values for block in blocks])
    if all(map(_is_view, blocks)) and len({view_offset(*block) for block in blocks}) == 1:
        return Block(_keys_like(blocks[0], values), values)
    return Block(np.concatenate([block.keys for block in blocks]), values)


def _is_view(block: Block) -> bool:
    return view_offset(block.keys, block.values) is not None


def _keys_like(block: Block, values: Array) -> Array:
    """The keys that are the same view into `values` as those of `block` are into its values."""
    offset = view_offset(block.keys, block.values)
    assert offset is not None
    keys: Array = view_into(values, offset, block.keys.dtype, block.keys.shape[1:])
    return keys


def _items(column: Array) -> Array:
    """A contiguous column as one-dimensional, opaque items."""
    return column.reshape(-1).view(np.dtype((np.void, column.nbytes // len(column)))) if len(column) else column
