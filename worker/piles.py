"""Blocks on their way to the shuffle, by partition: in memory, and beyond some of it on local disk."""

from __future__ import annotations

from collections.abc import Iterator

from shuffle.base import Partitioned
from worker.budget import Budget
from worker.spill import Extent, SpillFile

# Blocks, of the budget's size, that are held in memory.
_HELD = 16


class Piles:
    """A pile of blocks for each partition."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._blocks: dict[int, list[bytes | Extent]] = {}
        self._records: dict[int, int] = {}
        self._held = 0
        self._file: SpillFile | None = None

    def height(self, partition: int) -> int:
        """How many blocks a partition has so far."""
        return len(self._blocks.get(partition, ()))

    def add(self, partition: int, records: int, block: bytes) -> None:
        """Take in a block that brings so many records."""
        blocks = self._blocks.setdefault(partition, [])
        self._records[partition] = self._records.get(partition, 0) + records
        self._held += len(block)
        if self._held <= _HELD * self._budget.block:
            blocks.append(block)
            return
        if self._file is None:
            self._file = SpillFile(self._budget)
        blocks.append(self._file.append(block))

    def finish(self) -> Iterator[Partitioned]:
        """Everything taken in, by partition; empty partitions are left out."""
        for partition in sorted(self._blocks):
            yield Partitioned(partition, self._records[partition], map(self._load, self._blocks[partition]))
        if self._file is not None:
            self._file.close()

    def _load(self, block: bytes | Extent) -> bytes:
        if isinstance(block, bytes):
            return block
        assert self._file is not None
        return self._file.read(block)
