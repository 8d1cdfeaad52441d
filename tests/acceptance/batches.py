"""Jobs over arrays, and jobs whose output is sorted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mapreduce import (
    BatchMapper,
    BatchReducer,
    Block,
    BlockReducer,
    FixedInput,
    Fold,
    Groups,
    Job,
    Mapper,
    Reducer,
)


class Same(BlockReducer):
    """Records as they are."""

    def reduce_block(self, block: Block) -> Iterator[Block]:
        self.task.count("records", len(block.keys))
        yield block


class FirstByte(BatchMapper[Block]):
    """The first byte of each key, once."""

    def map_batch(self, batch: Block) -> Iterator[Block]:
        self.task.count("batches")
        yield Block(batch.keys[:, 0], np.ones(len(batch.keys), np.int32))


class Total(BatchReducer):
    """Adds."""

    def reduce_batch(self, groups: Groups) -> Iterator[Block]:
        yield Block(groups.keys, np.add.reduceat(groups.values, groups.starts, dtype=np.int64))


class PairTotal(Reducer[Any, int, Any, int]):
    """Adds, pair by pair."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, sum(values)


class Words(BatchMapper[bytes]):
    """The words of lines, once each."""

    def map_batch(self, batch: bytes) -> Iterator[Block]:
        words = batch.decode().split()
        yield Block(words, [1] * len(words))


class Largest(Fold[Any, int, int, Any, int]):
    """The largest value."""

    def start(self, value: int) -> int:
        return value

    def add(self, total: int, value: int) -> int:
        return max(total, value)

    merge = add

    def result(self, key: Any, total: int) -> Iterator[tuple[Any, int]]:
        yield key, total


class LineLengths(Mapper[str, str, int]):
    """The first word of each line, and the line's length."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split()[:1]:
            yield word, len(line)


class InOrder(Reducer[str, int, str, tuple[int, ...]]):
    """All values, as they come."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield key, tuple(values)


class ValuesInOrder(BatchReducer):
    """All values, as they come, under their keys."""

    def reduce_batch(self, groups: Groups) -> Iterator[Block]:
        counts = np.diff(groups.starts, append=len(groups.values))
        yield Block(np.repeat(groups.keys, counts, axis=0), groups.values)


class Backwards(BatchMapper[Block]):
    """Keys become values, and values keys."""

    def map_batch(self, batch: Block) -> Iterator[Block]:
        yield Block(np.asarray(batch.values), np.asarray(batch.keys))


def sort_records(width: int = 100, key: tuple[int, int] = (0, 10), **settings: Any) -> Job[Any, Any, Any, Any, Any]:
    """Records of a width, sorted by a key within them."""
    return Job(reducer=Same(), input_format=FixedInput(width, key), order="sorted", output_format="fixed", **settings)


def by_time(values: Any) -> Any:
    """What structured values are sorted by."""
    return values["time"]


first_bytes: Job[Any, Any, Any, Any, Any] = Job(
    mapper=FirstByte(), combiner=sum, reducer=Total(), input_format=FixedInput(100, (0, 10))
)
