"""The plan of a round says to each task what it reads, and says it once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.commits import Commit
from driver.plan import block_rows, piece_rows, segment_rows, write_plan
from mapreduce import AuthenticationError
from mapreduce.formats import Segment
from mapreduce.objectstore import MemoryStore
from mapreduce.seal import Seal
from shuffle import Piece, Receipt
from worker.output import Part


def commit(task: int, *, pieces: dict[int, Piece] | None = None, blocks: list[int] | None = None) -> Commit:
    receipt = None if pieces is None else Receipt(pieces)
    part = None if blocks is None else Part(f"out/{task}" if blocks else "", sum(blocks), len(blocks), blocks, None)
    return Commit(task=task, attempt=0, receipt=receipt, part=part, counters={}, metrics={})


@given(st.lists(st.sets(st.integers(0, 4)), max_size=6))
def test_transposition(written: list[set[int]]) -> None:
    """Each partition's row has its piece of every map task that wrote one, in the order of the tasks."""
    commits = [
        commit(task, pieces={number: Piece(task, 0, f"{task}", number, 1, 1, 1) for number in partitions})
        for task, partitions in enumerate(written)
    ]
    rows = piece_rows(commits, 5)
    assert len(rows) == 5
    for partition, row in enumerate(rows):
        assert [Piece(*fields) for fields in row] == [
            Piece(task, 0, f"{task}", partition, 1, 1, 1) for task, found in enumerate(written) if partition in found
        ]


@given(st.lists(st.lists(st.integers(1, 50), max_size=8), max_size=6), st.integers(1, 120))
def test_blocks(written: list[list[int]], split_size: int) -> None:
    """The rows of a round that follows cover all blocks once, in order, cut between blocks, near the split size."""
    rows = block_rows([commit(task, blocks=blocks) for task, blocks in enumerate(written)], split_size)
    offsets = [[sum(blocks[:number]) for number in range(len(blocks) + 1)] for blocks in written]
    seen: list[tuple[str, int]] = []
    for row in rows:
        sizes: list[int] = []
        for kind, key, first, start, end in row:
            assert kind == "blocks"
            task = int(key[4:])
            assert offsets[task][first] == start
            last = offsets[task].index(end)
            seen += [(key, number) for number in range(first, last)]
            sizes += written[task][first:last]
        assert sum(sizes[:-1]) < split_size
        assert sum(sizes) >= split_size or row is rows[-1]
    assert seen == [(f"out/{task}", number) for task, blocks in enumerate(written) for number in range(len(blocks))]
    assert all(rows) or rows == [[]]


def test_blocks_of_many_small_parts_share_a_row() -> None:
    """A thousand small parts are not a thousand tasks."""
    assert len(block_rows([commit(task, blocks=[10]) for task in range(1000)], 5000)) == 2


def test_segments() -> None:
    """Each split is a row, whose segments say what they are."""
    splits = [[Segment("/a", 0, 5, 9)], [Segment("/a", 5, 9, 9), Segment("/b", 0, 1, 1)]]
    rows = json.loads(json.dumps(segment_rows(splits)))
    assert [[Segment(*fields) for _, *fields in row] for row in rows] == splits
    assert {kind for row in rows for kind, *_ in row} == {"segment"}


def test_written_plan() -> None:
    """A plan is one object, whose rows are read by range and sealed one by one."""
    store, seal = MemoryStore("plan"), Seal.fresh()
    rows = [[["a", 1]], [], [["b", "é"]]]
    ranges = write_plan(store, seal, "plan.0", rows)
    assert [info.key for info in store.list("")] == ["plan.0"]
    sealed = [store.get(*place) for place in ranges]
    assert [json.loads(seal.unwrap(f"plan.0/{task}", data)) for task, data in enumerate(sealed)] == rows
    with pytest.raises(AuthenticationError):
        seal.unwrap("plan.0/1", sealed[0])
