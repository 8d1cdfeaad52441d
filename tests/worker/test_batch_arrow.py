"""Columns of Arrow are sorted, grouped and combined as arrays are, whenever memory runs out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Block, KeyTypeError
from mapreduce.arrow.keys import canonical_arrow
from mapreduce.seal import Seal
from tests.worker.build import Memory
from worker.batch.columns import any_block, array_block
from worker.batch.sorting import Sorter, combine, groups_of
from worker.budget import Budget

SEAL = Seal(b"secret")
KEYS = st.lists(st.lists(st.none() | st.text("ab\0é", max_size=3), min_size=1, max_size=30), max_size=12)


def sorter(full: list[bool], sort_values: Any = None) -> Sorter:
    """One for which memory has run out at each true item, when half of its room is taken; blocks are tiny."""
    return Sorter(SEAL, spending(full), np.empty(0, np.uint8), sort_values)


def spending(full: list[bool], most: int = 600) -> Budget:
    """A budget by script for about `most` bytes of records, whose blocks are as small as they get."""
    budget = Budget(100_000_000, Memory(full), own_process=False)
    budget.block = budget.run_block = 64
    budget.room = 4 * most
    return budget


def block(keys: list[Any], values: list[Any]) -> Block:
    """A block as it comes from the shuffle."""
    return Block(canonical_arrow(pa.array(keys, pa.string())), pa.array(values, pa.int64()))


def pairs(blocks: Iterator[Block]) -> list[Any]:
    """The pairs of blocks."""
    return [pair for keys, values in blocks for pair in zip(keys.to_pylist(), values.to_pylist(), strict=True)]


def place(key: Any) -> Any:
    """What keys are sorted by."""
    return key is None, key


@given(KEYS, st.lists(st.booleans(), max_size=12))
def test_sorted(lists: list[list[Any]], full: list[bool]) -> None:
    """Keys come in order, nulls last, and the values of equal ones in the order they were given in."""
    sorting = sorter(full)
    given_pairs: list[Any] = []
    for number, keys in enumerate(lists):
        values = [100 * number + place for place in range(len(keys))]
        sorting.add(block(keys, values))
        given_pairs += zip(keys, values, strict=True)
    assert pairs(sorting.sorted()) == sorted(given_pairs, key=lambda pair: place(pair[0]))


@given(KEYS, st.lists(st.booleans(), max_size=12))
def test_values_sorted(lists: list[list[Any]], full: list[bool]) -> None:
    """With an order of values, they come in it."""
    sorting = sorter(full, lambda values: -values.to_numpy())
    given_pairs: list[Any] = []
    for number, keys in enumerate(lists):
        values = [(7 * number + 5 * place) % 11 for place in range(len(keys))]
        sorting.add(block(keys, values))
        given_pairs += zip(keys, values, strict=True)
    assert pairs(sorting.sorted()) == sorted(given_pairs, key=lambda pair: (place(pair[0]), -pair[1]))


@pytest.mark.parametrize("runs", [1, 2, 40])
def test_many_runs(runs: int) -> None:
    """More runs than are merged at once are merged in several steps, rows of many columns too."""
    random = np.random.default_rng(runs)
    budget = spending([True] * runs)
    sorting = Sorter(SEAL, budget, np.empty(0, np.uint8), lambda rows: rows.field("n"))
    given_rows: list[Any] = []
    for _ in range(runs):
        keys = [f"k{number}" for number in random.integers(0, 9, 30)]
        batch = pa.record_batch({"k": keys, "n": random.integers(0, 99, 30)})
        sorting.add(array_block(Block(batch["k"], batch), "a test"))
        given_rows += batch.to_pylist()
    written = budget.spilled
    rows = [row for found in sorting.sorted() for row in found.values.to_pylist()]
    assert [(row["k"], row["n"]) for row in rows] == sorted((row["k"], row["n"]) for row in given_rows)
    assert written > 0
    assert (budget.spilled > written) == (runs > 32)


def test_more_than_there_is_room_for() -> None:
    """What does not fit beside what is held is sorted on disk, a block larger than all room too."""
    budget = Budget(16_000_000, lambda: 0, own_process=False)
    sorting = Sorter(SEAL, budget, np.empty(1 << 16, np.uint8))
    numbers = np.random.default_rng(0).permutation(1_000_000)
    for part in np.split(numbers, [100_000, 900_000]):
        sorting.add(Block(pa.array(part), pa.array(part)))
    assert budget.spilled > 12_000_000
    found = np.concatenate([keys.to_numpy() for keys, _ in sorting.sorted()])
    assert (found == np.arange(1_000_000)).all()


@given(st.lists(st.none() | st.text("ab", max_size=2), max_size=60), st.integers(1, 9))
def test_groups(keys: list[Any], size: int) -> None:
    """Groups are whole wherever their blocks are cut."""
    keys.sort(key=place)
    blocks = [
        block(keys[at : at + size], list(range(at, min(at + size, len(keys))))) for at in range(0, len(keys), size)
    ]
    found: list[Any] = []
    groups: Iterator[Any] = groups_of(iter(blocks), 1000)
    for some, starts, those in groups:
        ends = [*starts[1:].tolist(), len(those)]
        found += [
            (key, those[start:end].to_pylist())
            for key, start, end in zip(some.to_pylist(), starts.tolist(), ends, strict=True)
        ]
    expected = defaultdict(list)
    for number, key in enumerate(keys):
        expected[key].append(number)
    assert found == list(expected.items())


def test_a_group_larger_than_memory() -> None:
    """It ends with an error that says what to do."""
    blocks = (block(["same"] * 100, [1] * 100) for _ in range(3))
    with pytest.raises(MemoryError, match=r"more than 1,000 bytes of values.*combine in the job"):
        list(groups_of(blocks, 1000))


@pytest.mark.parametrize(
    "other",
    [
        Block(pa.array([1]), pa.array([1])),
        Block(pa.array(["a"], pa.large_string()), pa.array([1.0])),
        Block(np.ones(1, np.int64), np.ones(1, np.int64)),
    ],
    ids=["keys", "values", "arrays of NumPy"],
)
def test_mixtures(other: Block) -> None:
    """Columns of several types are refused by name."""
    sorting = sorter([])
    sorting.add(block(["a"], [1]))
    ours = r"keys \(Arrow's large_string\) and values \(Arrow's int64\)"
    with pytest.raises(KeyTypeError, match=f"blocks of {ours} cannot be sorted with blocks of keys"):
        sorting.add(other)
    sorting = sorter([])
    sorting.add(other)
    with pytest.raises(KeyTypeError, match=f" cannot be sorted with blocks of {ours}"):
        sorting.add(block(["a"], [1]))


PAIRS = st.lists(st.tuples(st.none() | st.text("ab", max_size=2), st.integers(-100, 100)), max_size=30)


@given(PAIRS, st.sampled_from([(np.add, sum), (np.minimum, min), (np.maximum, max)]))
def test_combine(given_pairs: list[tuple[Any, int]], combiner: Any) -> None:
    """Each key once, with what the combiner makes of its values; null too."""
    groups = defaultdict(list)
    for key, value in given_pairs:
        groups[key].append(value)
    found = combine(combiner[0], block([key for key, _ in given_pairs], [value for _, value in given_pairs]))
    combined = pairs(iter([found]))
    assert dict(combined) == {key: combiner[1](values) for key, values in groups.items()}
    assert len(combined) == len(groups)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**62, 2**62]),
        pa.array([-(2**63), -1]),
        pa.array([2**63, 1], pa.uint64()),
        pa.array([1, None]),
        pa.array(["a", "b"]),
        pa.array([[1], [2]]),
    ],
    ids=str,
)
def test_what_is_not_combined(values: Any) -> None:
    """Sums beyond 64 bits, nulls, and what Arrow does not add stay for the reducer."""
    found = combine(np.add, Block(pa.array(["a", "a"], pa.large_string()), values))
    assert found.values.equals(values)
    assert found.keys.to_pylist() == ["a", "a"]


@pytest.mark.parametrize(("kind", "total"), [(pa.int8(), pa.int64()), (pa.float32(), pa.float64())], ids=str)
def test_sums_have_64_bits(kind: Any, total: Any) -> None:
    """Small numbers may have large sums, and have one type whether or not they were added."""
    for values in ([100] * 3, [100, None, 1]):
        found = combine(np.add, Block(pa.array(["a"] * 3, pa.large_string()), pa.array(values, kind)))
        assert found.values.type == total
        assert sum(value or 0 for value in found.values.to_pylist()) == sum(value or 0 for value in values)


def test_blocks_of_two_kinds() -> None:
    """Where one column is of Arrow, the other becomes so."""
    keys, values = array_block(Block(["a", "b"], pa.array([1, 2])), "a test")
    assert (keys.to_pylist(), values.to_pylist()) == (["a", "b"], [1, 2])
    keys, values = any_block(Block(pa.array(["a", "b"]), np.arange(2)), "a test")
    assert (keys.to_pylist(), values.to_pylist()) == (["a", "b"], [0, 1])
    with pytest.raises(TypeError, match="a test yielded a block of 1 keys and 2 values"):
        any_block(Block(pa.array(["a"]), [1, 2]), "a test")
