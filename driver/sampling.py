"""The sample of keys that a partitioner is fitted to: what its round reads, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from driver.commits import Commit
from mapreduce.batches import rows_of
from mapreduce.blocks import decode_block, read_frames
from mapreduce.errors import ConfigError
from mapreduce.formats import InputFormat
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from worker.output import part_context

# Places that are read of each split, at most, and for each partition: input that is sorted already is
# known only by as many different keys as there are places.
_PLACES = 16
# About the bytes of a record whose width its format does not tell.
_RECORD = 100
# Bytes of a place, at least: as much as one read costs in any case.
_LEAST = 4096


def segment_places(
    rows: Sequence[Sequence[Any]], reads: InputFormat[Any], wanted: int, partitions: int
) -> list[list[Any]]:
    """Places, spread evenly over the bytes of the segments of `rows`, that hold about `wanted` records.

    Returns:
        Places as a sample task reads them: ["segment", url, start, end, size, most records or 0 for all].
    """
    segments = [entry[1:] for row in rows for entry in row]
    total = sum(end - start for _, start, end, _ in segments)
    count = _count(len(rows), partitions)
    record = getattr(reads, "record", _RECORD)
    size = max(_LEAST, record, wanted * record // count)
    places: list[list[Any]] = []
    for (url, start, end, whole), share in zip(
        segments, _shares([e - s for _, s, e, _ in segments], count), strict=True
    ):
        if share and (reads.sparse or not reads.can_split(url)):  # only from its beginning can it be read
            places.append(["segment", url, start, end, whole, max(1, share * wanted // count)])
        elif share * size >= end - start > 0:
            places.append(["segment", url, start, end, whole, 0])
        else:
            firsts = [start + (end - start) * number // share for number in range(share)]
            places += [["segment", url, first, min(end, first + size), whole, 0] for first in firsts]
    assert total or not places
    return places


def block_places(commits: Sequence[Commit], splits: int, wanted: int, partitions: int) -> list[list[Any]]:
    """Blocks, spread evenly over what these commits wrote, as ["blocks", key, number, start, end, most records]."""
    blocks: list[list[Any]] = []
    for commit in commits:
        if commit.part is not None:
            ends = list(accumulate(commit.part.blocks))
            for number, (size, end) in enumerate(zip(commit.part.blocks, ends, strict=True)):
                blocks.append(["blocks", commit.part.key, number, end - size, end])
    count = min(len(blocks), _count(splits, partitions))
    chosen = [blocks[len(blocks) * number // count] for number in range(count)]
    return [[*block, max(1, wanted // count)] for block in chosen]


def is_fitted(partitioner: object) -> bool:
    """Whether a partitioner must be fitted to a sample of the keys."""
    return getattr(partitioner, "sample", 0) > 0


def deal(places: Sequence[Any], tasks: int) -> list[list[Any]]:
    """A row for each of at most `tasks` sample tasks; their places in the order given."""
    step = max(1, -(-len(places) // tasks))
    return [list(places[start : start + step]) for start in range(0, len(places), step)]


def read_sample(storage: ObjectStore, seal: Seal, commits: Sequence[Commit]) -> Sequence[Any]:
    """The keys that sample tasks wrote: an array where all are arrays, else a list.

    Raises:
        ConfigError: arrays of different kinds were sampled.
    """
    columns: list[Any] = []
    for commit in commits:
        part = commit.part
        if part is None or not part.key:
            continue
        with storage.open(part.key) as stream:
            for number, data in enumerate(read_frames(stream, part.size, part.key)):
                columns.append(decode_block(data, seal, part_context(part.key, number)).keys)
    if not columns or not all(hasattr(column, "dtype") for column in columns):
        return [key for column in columns for key in rows_of(column)]
    import numpy as np

    kinds = {(column.dtype, column.shape[1:]) for column in columns}
    if len(kinds) > 1:
        raise ConfigError(f"batches yielded keys of different dtypes or widths: {sorted(map(str, kinds))}")
    sample: Any = np.concatenate(columns)
    return sample  # type: ignore[no-any-return]


def _count(splits: int, partitions: int) -> int:
    return max(1, min(_PLACES * splits, _PLACES * max(4, partitions)))


def _shares(sizes: Sequence[int], count: int) -> list[int]:
    """How many of `count` places, even in the sum of `sizes`, fall into each."""
    total = max(1, sum(sizes))
    ends = [-(-end * count // total) for end in accumulate(sizes)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
