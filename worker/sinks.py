"""Where a map task's pairs go on their way to the shuffle: combined or not, cut into partitions, into blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mapreduce.blocks import encode_block, plain_size
from mapreduce.partition import Partitioner, partition_all
from mapreduce.seal import Seal
from mapreduce.stages import Mapper
from shuffle.base import AttemptId, Partitioned
from worker.budget import Budget, Pace, release
from worker.fused import FusedMap
from worker.piles import Piles
from worker.spill import Batches
from worker.tables import Pairs, SumTable, Table, columns

# Pairs partitioned at a time: so few that they stay in the CPU's cache from step to step.
_SLICE = 8_192
# Partitioned pairs that are held before blocks are made of them; for each partition at least so many,
# lest blocks become tiny.
_SHARED, _SHARED_PER_PARTITION = 65_536, 2_048
# Pairs that are held uncombined before they are partitioned.
_HELD, _HELD_PER_PARTITION = 262_144, 4_096
# Pairs taken from user code before memory is looked at.
_STEP = 8_192


def block_context(attempt: AttemptId, partition: int, number: int) -> str:
    """The context that a shuffle block is authenticated in."""
    return f"{attempt}/{partition}/{number}"


class HeldBlocks:
    """The encoded blocks of each partition, beyond some memory on local disk.

    Args:
        seal: of the job.
        attempt: whose blocks they are.
        budget: of the attempt.
    """

    def __init__(self, seal: Seal, attempt: AttemptId, budget: Budget) -> None:
        self._seal = seal
        self._attempt = attempt
        self._piles = Piles(budget)

    def add(self, partition: int, keys: Sequence[Any], values: Sequence[Any]) -> int:
        """Take in a block's records; returns its bytes before compression."""
        place = block_context(self._attempt, partition, self._piles.height(partition))
        block = encode_block(keys, values, self._seal, place)
        self._piles.add(partition, len(keys), block)
        return plain_size(block)

    def finish(self) -> Iterator[Partitioned]:
        """Everything taken in, by partition; empty partitions are left out."""
        return self._piles.finish()


class PartitionedBlocks:
    """Cuts pairs into partitions and keeps these as encoded blocks."""

    def __init__(
        self, partitioner: Partitioner, partitions: int, seal: Seal, attempt: AttemptId, budget: Budget
    ) -> None:
        self._partitioner = partitioner
        self._partitions = partitions
        self._batches = Batches(budget.block)
        self._most = max(_SHARED, _SHARED_PER_PARTITION * partitions)
        self._shares: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(partitions)]
        self._blocks = HeldBlocks(seal, attempt, budget)

    def add(self, pairs: Pairs) -> None:
        """Take in pairs."""
        pairs = iter(pairs)
        while part := list(islice(pairs, self._most)):
            self.add_columns(*columns(part))

    def add_columns(self, keys: Iterable[Any], values: Iterable[Any]) -> None:
        """Take in pairs, of which `keys` has the keys and `values` has the values."""
        keys, values = iter(keys), iter(values)
        held = 0
        while some := list(islice(keys, _SLICE)):
            self._share(some, list(islice(values, _SLICE)))
            held += len(some)
            if held >= self._most:
                self._encode()
                held = 0
        self._encode()

    def add_share(self, partition: int, keys: Any, values: Any) -> None:
        """Take in a block of one partition's records, whose columns may be arrays."""
        self._blocks.add(partition, keys, values)

    def finish(self) -> Iterator[Partitioned]:
        """Everything taken in, by partition; empty partitions are left out."""
        return self._blocks.finish()

    def _share(self, keys: list[Any], values: list[Any]) -> None:
        """Deal pairs out to the partitions' shares."""
        partitions = partition_all(self._partitioner, keys, self._partitions)
        adds = [(share_keys.append, share_values.append) for share_keys, share_values in self._shares]
        for key, value, partition in zip(keys, values, partitions, strict=True):
            add_key, add_value = adds[partition]
            add_key(key)
            add_value(value)

    def _encode(self) -> None:
        """Make blocks of the shares, and empty them."""
        for partition, (keys, values) in enumerate(self._shares):
            start = 0
            while start < len(keys):
                end = start + self._batches.count
                for some_keys, some_values in self._batches.split(keys[start:end], values[start:end]):
                    size = self._blocks.add(partition, some_keys, some_values)
                    if len(some_keys) >= self._batches.count:
                        self._batches.learn(len(some_keys), size)
                start = end
            keys.clear()
            values.clear()


class Sink(ABC):
    """Takes a map task's pairs."""

    def __init__(self, blocks: PartitionedBlocks) -> None:
        self._blocks = blocks

    @abstractmethod
    def add(self, pairs: Pairs) -> None:
        """Take in the pairs of some records, in order."""

    def adding(self, mapper: Mapper[Any, Any, Any], fused: FusedMap | None) -> Callable[[Iterable[Any]], None] | None:
        """What maps records straight into this sink; None where their pairs must go through `add`."""
        return None

    def add_share(self, partition: int, keys: Any, values: Any) -> None:
        """Take in records of one partition, in columns that stay as they are."""
        self._blocks.add_share(partition, keys, values)

    def add_columns(self, keys: Iterable[Any], values: Iterable[Any]) -> None:
        """Take in pairs that have been combined already."""
        self._blocks.add_columns(keys, values)

    @abstractmethod
    def finish(self) -> Iterator[Partitioned]:
        """All that was taken in, by partition."""


class CombiningSink(Sink):
    """Combines pairs in a table, which goes to the partitions whenever memory runs out, and at the end."""

    def __init__(self, table: Table, blocks: PartitionedBlocks) -> None:
        super().__init__(blocks)
        self._table = table

    def add(self, pairs: Pairs) -> None:
        self._table.add(pairs)
        self._table.look()  # the keys may be few and their values may grow

    def adding(self, mapper: Mapper[Any, Any, Any], fused: FusedMap | None) -> Callable[[Iterable[Any]], None] | None:
        table = self._table
        if fused is None or not isinstance(table, SumTable) or (adder := fused.adder(mapper, table)) is None:
            return None

        def run(records: Iterable[Any]) -> None:
            for record in records:
                adder(mapper, record)
            table.look()

        return run

    def finish(self) -> Iterator[Partitioned]:
        flush(self._table, self._blocks)
        return self._blocks.finish()


def flush(table: Table, blocks: PartitionedBlocks) -> None:
    """Move what a table holds to the partitions."""
    blocks.add_columns(*table.columns())
    table.clear()
    release()


class PlainSink(Sink):
    """Collects pairs as they are, until there are many or memory runs out."""

    def __init__(self, blocks: PartitionedBlocks, budget: Budget, partitions: int) -> None:
        super().__init__(blocks)
        self._pairs: list[tuple[Any, Any]] = []
        self._most = max(_HELD, _HELD_PER_PARTITION * partitions)
        self._pace = Pace(budget, _STEP)

    def add(self, pairs: Pairs) -> None:
        pairs = iter(pairs)
        while batch := list(islice(pairs, self._pace.step)):
            self._pairs += batch
            if self._pace.over():
                self._flush()
                release()
            elif len(self._pairs) >= self._most:
                self._flush()

    def finish(self) -> Iterator[Partitioned]:
        self._flush()
        return self._blocks.finish()

    def _flush(self) -> None:
        self._blocks.add(self._pairs)
        self._pairs.clear()
