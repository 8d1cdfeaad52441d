"""Sorting blocks of arrays: in memory while they fit, else in runs on local disk that are merged."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mapreduce.arrays.keys import Array, sortable_rows
from mapreduce.arrays.order import group_starts, sort_order
from mapreduce.arrow.columns import is_arrow
from mapreduce.blocks import Block, decode_block, encode_block
from mapreduce.seal import Seal
from worker.batch.columns import Gather, join_blocks, take, take_block
from worker.batch.held import Held
from worker.batch.places import Places, SortValues, key_starts, places_of, same_key
from worker.batch.scratch import Bytes
from worker.budget import Budget, release
from worker.spill import Extent, SpillFile

if TYPE_CHECKING:
    from worker.batch.arrow import ArrowHeld

# Runs merged at once, at most: each holds a block in memory.
_FAN_IN = 32
# Bytes for each record that sorting takes beside it: its key's leading bits, its number, and a copy of both.
_BESIDE = 32


class Sorter:
    """Takes blocks, and gives all their records sorted by key, then by what `sort_values` says, then as they came.

    Args:
        seal: of the job, for what is spilled.
        budget: of the attempt.
        memory: where records are held that are not spilled; those of Arrow stay where they are.
        sort_values: of the job.
    """

    def __init__(self, seal: Seal, budget: Budget, memory: Bytes, sort_values: SortValues = None) -> None:
        self._seal = seal
        self._budget = budget
        self._sort_values = sort_values
        self._held: Held | ArrowHeld = Held(memory, budget.room // 2, _BESIDE)
        self._runs: list[_Run] = []
        self._empty = True

    def add(self, block: Block) -> None:
        """Take in a block of arrays; keys in their canonical type.

        Raises:
            KeyTypeError: its arrays are of other kinds than those before.
        """
        if self._empty and is_arrow(block.keys):
            from worker.batch.arrow import ArrowHeld

            self._held = ArrowHeld(self._budget.room // 4)  # to be joined, and then taken in order
        self._empty = False
        if not self._held.add(block):
            self._spill()
            if not self._held.add(block):  # more than there is room for at all
                self._runs.append(self._write(self._sort(block, self._budget.run_block)))
        if self._held.full and self._budget.over():
            self._spill()

    def sorted(self) -> Iterator[Block]:
        """All records, in sorted blocks."""
        if not self._runs:
            if self._held.count:
                yield from self._sort(self._held.whole(), self._budget.block)
            return
        self._spill()
        while len(self._runs) > _FAN_IN:
            self._runs = [
                self._write(self._merged(self._runs[start : start + _FAN_IN]))
                for start in range(0, len(self._runs), _FAN_IN)
            ]
        yield from self._merged(self._runs)

    def _places(self, block: Block) -> Places:
        """What the block's records are sorted by."""
        return places_of(block, self._sort_values)

    def _sort(self, whole: Block, size: int) -> Iterator[Block]:
        """Some records, sorted, in blocks of about `size` bytes."""
        order = self._places(whole).order()
        gather = Gather()
        step = max(1, len(order) * size // max(1, whole.values.nbytes))
        for start in range(0, len(order), step):
            yield gather(whole, order[start : start + step])

    def _spill(self) -> None:
        if self._held.count:
            self._runs.append(self._write(self._sort(self._held.whole(), self._budget.run_block)))
            self._held.clear()
            release()

    def _write(self, blocks: Iterator[Block]) -> _Run:
        run = _Run(SpillFile(self._budget), self._seal)
        for block in blocks:
            run.add(block)
        return run

    def _merged(self, runs: list[_Run]) -> Iterator[Block]:
        """The records of `runs` in order; of equal ones those of the earlier run first.

        All below the least of the last keys in memory is known to be complete, and is sorted as one. Those
        equal to it follow run by run.
        """
        heads = [head for run in runs if (head := _Head(run, self._places)).load()]
        while heads:
            bound = min(head.last() for head in heads)
            parts = [part for head in heads if len((part := head.take_below(bound)).keys)]
            if parts:
                whole = join_blocks(parts)
                yield take_block(whole, self._places(whole).order()) if len(parts) > 1 else whole
            for head in heads:
                while len((part := head.take_equal(bound)).keys):
                    yield part
            heads = [head for head in heads if head.left]


class _Run:
    """Sorted records, as blocks of a file."""

    def __init__(self, file: SpillFile, seal: Seal) -> None:
        self._file = file
        self._seal = seal
        self._extents: list[Extent] = []

    def add(self, block: Block) -> None:
        self._extents.append(self._file.append(encode_block(*block, self._seal, "run", compress=False)))

    def blocks(self) -> Iterator[Block]:
        for extent in self._extents:
            yield decode_block(self._file.read(extent), self._seal, "run")
        self._file.close()


class _Head:
    """The part of a run that is in memory: the rest of its current block."""

    def __init__(self, run: _Run, places: Callable[[Block], Places]) -> None:
        self._blocks = run.blocks()
        self._places = places
        self.left = True

    def load(self) -> bool:
        """Take the next block into memory; False if there is none."""
        block = next(self._blocks, None)
        self.left = block is not None
        if block is not None:
            self._block, self._place = block, 0
            self._keys = self._places(block)
        return self.left

    def last(self) -> Any:
        """The last place in memory."""
        return self._keys[len(self._keys) - 1]

    def take_below(self, bound: Any) -> Block:
        """The records in memory below `bound`."""
        return self._take(bisect_left(self._keys, bound, self._place)) if self.left else _NOTHING

    def take_equal(self, bound: Any) -> Block:
        """The next records equal to `bound`: some of them, or none if there are no more."""
        if not self.left:
            return _NOTHING
        return self._take(bisect_right(self._keys, bound, self._place))

    def _take(self, end: int) -> Block:
        block, start = self._block, self._place
        self._place = end
        if end == len(self._keys) and start < end:
            taken = Block(block.keys[start:end], block.values[start:end])
            self.load()
            return taken
        return Block(block.keys[start:end], block.values[start:end])


_NOTHING = Block((), ())


def groups_of(blocks: Iterator[Block], most: int) -> Iterator[tuple[Array, Array, Array]]:
    """Keys, starts and values of the groups of sorted blocks: many groups at a time, each of them whole.

    Args:
        blocks: sorted by key.
        most: bytes that the values of one group may have.

    Raises:
        MemoryError: a group has more.
    """
    held: list[Block] = []  # of the latest key
    size = 0
    for block in blocks:
        if not len(block.keys):
            continue
        held.append(block)
        size += block.values.nbytes
        if len(held) > 1 and same_key(held[0].keys, block.keys):
            if size > most:
                raise MemoryError(
                    f"the group of {held[0].keys[-1:]!r} has more than {most:,} bytes of values, and a BatchReducer is"
                    " given groups whole: combine in the job, or give its workers more memory"
                )
            continue
        whole = join_blocks(held)
        starts = key_starts(whole.keys)
        end = int(starts[-1])
        if end:
            yield take(whole.keys, starts[:-1]), starts[:-1], whole.values[:end]
        held = [Block(whole.keys[end:], whole.values[end:])]
        size = held[0].values.nbytes
    if held:
        whole = join_blocks(held)
        yield whole.keys[:1], np.zeros(1, np.int64), whole.values


def combine(combiner: Any, block: Block) -> Block:
    """Each different key once, in sorted order, with its values combined by the ufunc `combiner`.

    Keys of Arrow come in any order, and may come more than once: see `combine_arrow`.
    """
    if not len(block.keys):
        return block
    if is_arrow(block.keys):
        from worker.batch.arrow import combine_arrow

        return combine_arrow(combiner, block)
    rows = sortable_rows(block.keys)
    order = sort_order(rows)
    starts = group_starts(rows[order])
    return Block(take(block.keys, order[starts]), combiner.reduceat(take(block.values, order), starts))
