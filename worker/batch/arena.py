"""The blocks of a map task: gathered where they stay until the shuffle store takes them, and nowhere else.

A block is made in one piece of memory: its head, then the records of one partition as they are taken out
of a batch, then its tag. So each record is copied once between the input's buffer and the store.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mapreduce.arrays.keys import Array
from mapreduce.arrow.columns import is_arrow
from mapreduce.blocks import Block, Layout, encode_block, lay_out, seal_block
from mapreduce.seal import Seal
from shuffle.base import AttemptId, Partitioned
from worker.batch.columns import take_block, take_into
from worker.batch.scratch import Bytes
from worker.budget import Budget
from worker.sinks import block_context
from worker.spill import Extent, SpillFile

_ALIGN = 64


class Arena:
    """Holds blocks in `memory`, and on local disk what does not fit.

    Args:
        memory: where they lie.
        seal: of the job.
        attempt: whose blocks they are.
        budget: of the attempt.
        compress: whether blocks are compressed where that gains; they are not gathered in place then.
    """

    def __init__(self, memory: Bytes, seal: Seal, attempt: AttemptId, budget: Budget, *, compress: bool) -> None:
        self._memory = memory
        self._seal = seal
        self._attempt = attempt
        self._budget = budget
        self._compress = compress
        self._used = 0
        self._blocks: dict[int, list[memoryview | Extent]] = {}
        self._records: dict[int, int] = {}
        self._file: SpillFile | None = None

    def add(self, partition: int, whole: Block, order: Array) -> None:
        """Take in a block of the records of `whole` at the places `order`."""
        blocks = self._blocks.setdefault(partition, [])
        context = block_context(self._attempt, partition, len(blocks))
        self._records[partition] = self._records.get(partition, 0) + len(order)
        if self._compress or is_arrow(whole.values):  # whose size nobody knows before
            data = encode_block(*take_block(whole, order), self._seal, context, compress=self._compress)
            place = self._place(len(data))
            place[:] = data
        else:
            layout = lay_out(len(order), whole.keys, whole.values)
            place = self._place(layout.size)
            _gather(place, layout, whole, order)
            seal_block(place, self._seal, context)
        blocks.append(place)

    def finish(self) -> Iterator[Partitioned]:
        """All blocks, by partition; empty partitions are left out."""
        for partition in sorted(self._blocks):
            yield Partitioned(partition, self._records[partition], map(self._load, self._blocks[partition]))
        if self._file is not None:
            self._file.close()

    def _place(self, size: int) -> memoryview:
        """Memory for a block of `size` bytes: what others lie in goes to disk where there is no more."""
        if self._used + size > len(self._memory):
            self._spill()
        if size > len(self._memory):
            return np.empty(size, np.uint8).data
        start = self._used
        self._used += size + -size % _ALIGN
        return self._memory[start : start + size].data

    def _spill(self) -> None:
        if self._file is None:
            self._file = SpillFile(self._budget)
        for blocks in self._blocks.values():
            blocks[:] = [block if isinstance(block, Extent) else self._file.append(block) for block in blocks]
        self._used = 0

    def _load(self, block: memoryview | Extent) -> bytes | memoryview:
        if isinstance(block, Extent):
            assert self._file is not None
            return self._file.read(block)
        return block


def _gather(place: memoryview, layout: Layout, whole: Block, order: Array) -> None:
    """Write everything of a block but its tag."""
    memory = np.frombuffer(place, np.uint8)
    memory[: len(layout.head)] = np.frombuffer(layout.head, np.uint8)
    ends = [layout.values, layout.size]
    if layout.keys is not None:
        take_into(memory[layout.keys : ends[0]], whole.keys, order)
    take_into(memory[layout.values : ends[1]], whole.values, order)
