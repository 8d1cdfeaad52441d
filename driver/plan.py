"""The plan of a round: a row for each task, and the transposition of receipts into rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from driver.commits import Commit
from mapreduce.formats import Segment
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from worker.payload import Range


def write_plan(storage: ObjectStore, seal: Seal, key: str, rows: Sequence[Any]) -> list[Range]:
    """Write the rows, each sealed by itself, into the object `key`; returns where each lies."""
    ranges, parts, offset = [], [], 0
    for task, row in enumerate(rows):
        part = seal.wrap(f"{key}/{task}", json.dumps(row, separators=(",", ":")).encode())
        ranges.append(Range(key, offset, offset + len(part)))
        parts.append(part)
        offset += len(part)
    storage.put(key, b"".join(parts))
    return ranges


def segment_rows(splits: Sequence[Sequence[Segment]]) -> list[list[list[Any]]]:
    """A row for each split of the input."""
    return [[["segment", *segment] for segment in split] for split in splits]


def block_rows(commits: Sequence[Commit], split_size: int) -> list[list[list[Any]]]:
    """Rows over the blocks that a round before wrote, in their order; a row ends when it has `split_size` bytes."""
    rows: list[list[list[Any]]] = [[]]
    room = split_size
    for commit in commits:
        if commit.part is None or not commit.part.key:
            continue
        first = start = end = 0
        for number, size in enumerate(commit.part.blocks):
            if room <= 0 and (rows[-1] or end > start):
                if end > start:
                    rows[-1].append(["blocks", commit.part.key, first, start, end])
                rows.append([])
                first, start, room = number, end, split_size
            end += size
            room -= size
        if end > start:
            rows[-1].append(["blocks", commit.part.key, first, start, end])
    return rows


def piece_rows(commits: Sequence[Commit], partitions: int) -> list[list[list[Any]]]:
    """A row for each partition: its piece of each map attempt that won, in the order of the map tasks."""
    rows: list[list[list[Any]]] = [[] for _ in range(partitions)]
    for commit in commits:
        if commit.receipt is not None:
            for partition, piece in commit.receipt.pieces.items():
                rows[partition].append(list(piece))
    return rows
