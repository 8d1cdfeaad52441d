"""Blocks come out sorted and stable, and in whole groups, whenever memory runs out, and however often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Block, KeyTypeError
from mapreduce.arrays.keys import python_values
from mapreduce.seal import Seal
from tests.worker.build import Memory
from worker.batch.columns import join_blocks, take_block
from worker.batch.sorting import Sorter, combine, groups_of
from worker.budget import Budget

SEAL = Seal(b"secret")


def sorter(full: list[bool], sort_values: Any = None, size: int = 600) -> Sorter:
    """One for which memory has run out at each true item, when half of `size` bytes are taken; blocks are tiny."""
    return Sorter(SEAL, spending(full), np.empty(size, np.uint8), sort_values)


def spending(full: list[bool]) -> Budget:
    """A budget by script, whose blocks are as small as they get."""
    budget = Budget(100_000_000, Memory(full), own_process=False)
    budget.block = budget.run_block = 64
    return budget


def pairs(blocks: Iterator[Block]) -> list[Any]:
    """The pairs of blocks."""
    return [pair for keys, values in blocks for pair in zip(python_values(keys), python_values(values), strict=True)]


KEYS = st.lists(st.lists(st.integers(-3, 3), min_size=1, max_size=30), max_size=12)


@given(KEYS, st.lists(st.booleans(), max_size=12))
def test_sorted(lists: list[list[int]], full: list[bool]) -> None:
    """Keys come in order, and the values of equal ones in the order they were given in."""
    sorting = sorter(full)
    given_pairs: list[Any] = []
    for number, keys in enumerate(lists):
        values = [100 * number + place for place in range(len(keys))]
        sorting.add(Block(np.array(keys), np.array(values)))
        given_pairs += zip(keys, values, strict=True)
    assert pairs(sorting.sorted()) == sorted(given_pairs, key=lambda pair: pair[0])


@given(KEYS, st.lists(st.booleans(), max_size=12))
def test_values_sorted(lists: list[list[int]], full: list[bool]) -> None:
    """With an order of values, they come in it."""
    sorting = sorter(full, lambda values: -values)
    given_pairs: list[Any] = []
    for number, keys in enumerate(lists):
        values = [(7 * number + 5 * place) % 11 for place in range(len(keys))]
        sorting.add(Block(np.array(keys), np.array(values)))
        given_pairs += zip(keys, values, strict=True)
    assert pairs(sorting.sorted()) == sorted(given_pairs, key=lambda pair: (pair[0], -pair[1]))


@pytest.mark.parametrize("runs", [1, 2, 40, 70])
@pytest.mark.parametrize("size", [500, 1000, 100_000])
def test_many_runs(runs: int, size: int) -> None:
    """More runs than are merged at once are merged in several steps, records with keys inside them whole.

    Runs are of one block each: too large for the memory, or filling most of it; or there are none at all.
    """
    records = np.random.default_rng(runs).integers(0, 3, (runs * 50, 12), dtype=np.uint8)
    budget = spending([True] * runs)
    sorting = Sorter(SEAL, budget, np.empty(size, np.uint8))
    for part in np.split(records, runs):
        sorting.add(Block(part[:, 2:12], part))
    written = budget.spilled
    found = list(sorting.sorted())
    rows = [row for block in found for row in python_values(block.values)]
    assert rows == sorted(python_values(records), key=lambda row: row[2:])
    assert pairs(iter(found)) == [(row[2:], row) for row in rows]
    assert (written > records.nbytes) == (size < 100_000)
    assert (budget.spilled > written) == (size < 100_000 and runs > 32)


def test_a_run_for_each_time_that_memory_runs_out() -> None:
    """Not before half of the room is taken: a run of few records is not worth its merging."""
    budget = spending([False, True, False])
    sorting = Sorter(SEAL, budget, np.empty(128 + 16 * 40, np.uint8))
    spilled = []
    for keys in (range(15), range(15), range(5), range(15), range(15)):
        sorting.add(Block(np.array(keys), np.array(keys)))
        spilled.append(budget.spilled > 0)
        budget.spilled = 0
    assert spilled == [False, False, True, False, False]
    assert [key for key, _ in pairs(sorting.sorted())] == sorted([*range(15)] * 4 + [*range(5)])


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 9))
def test_groups(keys: list[int], size: int) -> None:
    """Groups are whole wherever their blocks are cut."""
    keys.sort()
    values = np.arange(len(keys))
    blocks = [
        Block(np.array(keys[at : at + size], np.int64), values[at : at + size]) for at in range(0, len(keys), size)
    ]
    found: list[Any] = []
    for some, starts, those in groups_of(iter(blocks), 1000):
        ends = [*starts[1:].tolist(), len(those)]
        found += [
            (key, those[start:end].tolist())
            for key, start, end in zip(some.tolist(), starts.tolist(), ends, strict=True)
        ]
    assert found == [(key, [n for n, k in enumerate(keys) if k == key]) for key in sorted(set(keys))]


def test_a_group_larger_than_memory() -> None:
    """It ends with an error that says what to do."""
    blocks = (Block(np.zeros(100, np.int64), np.zeros(100)) for _ in range(3))
    with pytest.raises(
        MemoryError, match=r"the group of .*0.* has more than 1,000 bytes of values.*combine in the job"
    ):
        list(groups_of(blocks, 1000))


@pytest.mark.parametrize(
    "other", [Block(np.ones(1), np.ones(1)), Block(np.ones(1, np.int64), np.ones((1, 2)))], ids=["keys", "values"]
)
def test_mixtures(other: Block) -> None:
    """Arrays of several kinds are refused by name."""
    sorting = sorter([])
    sorting.add(Block(np.ones(1, np.int64), np.ones(1)))
    with pytest.raises(
        KeyTypeError, match=r"blocks of keys \(int64\) and values \(float64, \(\)\) cannot be sorted with"
    ):
        sorting.add(other)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-100, 100))))
def test_combine(given_pairs: list[tuple[int, int]]) -> None:
    """Each key once, in order, with what the ufunc makes of its values."""
    keys, values = (np.array([pair[side] for pair in given_pairs], np.int64) for side in (0, 1))
    found = combine(np.maximum, Block(keys, values))
    best: dict[int, int] = {}
    for key, value in given_pairs:
        best[key] = max(best.get(key, value), value)
    assert dict(zip(found.keys.tolist(), found.values.tolist(), strict=True)) == best
    assert found.keys.tolist() == sorted(best)


def test_keys_within_values_stay_there() -> None:
    """Taking and joining records copies them once, not their keys too."""
    records = np.random.default_rng(0).integers(0, 256, (20, 12), dtype=np.uint8)
    block = take_block(Block(records[:, :3], records), np.arange(19, -1, -1))
    whole = join_blocks([block, Block(records[:, :3], records)])
    for found in (block, whole):
        assert np.shares_memory(found.keys, found.values)
        assert (found.keys == found.values[:, :3]).all()
    assert (whole.values == np.concatenate((records[::-1], records))).all()
