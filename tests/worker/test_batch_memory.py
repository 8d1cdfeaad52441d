"""Memory of the batch path: used again where nobody holds it, and blocks that do not fit go to disk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapreduce import Block
from mapreduce.arrays.keys import python_values
from mapreduce.blocks import decode_block
from mapreduce.seal import Seal
from shuffle.base import AttemptId
from worker.batch.arena import Arena
from worker.batch.columns import Gather
from worker.batch.held import Held
from worker.batch.scratch import forget, kept, scratch
from worker.budget import Budget
from worker.sinks import block_context

SEAL = Seal(b"secret")
ATTEMPT = AttemptId("job", 0, 3, 1)


def records(count: int, width: int = 20) -> Any:
    """Random records."""
    return np.random.default_rng(count).integers(0, 256, (count, width), dtype=np.uint8)


def budget(kept_bytes: int = 0) -> Budget:
    """One that never runs out."""
    return Budget(100_000_000, lambda: 10_000_000, kept=kept_bytes)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("size", [100, 5_000, 100_000])
def test_arena(size: int, view: bool, compress: bool) -> None:
    """Blocks are what was gathered, partition by partition, whether memory holds them or not."""
    spending = budget()
    arena = Arena(np.empty(size, np.uint8), SEAL, ATTEMPT, spending, compress=compress)
    expected: dict[int, list[tuple[bytes, bytes]]] = {0: [], 4: []}
    for turn in range(5):
        values = records(60 + turn)
        keys = values[:, :4] if view else values[:, :4].copy()
        for partition, order in ((4, np.arange(turn, 30)), (0, np.arange(50, turn, -2))):
            arena.add(partition, Block(keys, values), order)
            expected[partition] += [(values[place, :4].tobytes(), values[place].tobytes()) for place in order]
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    for partition, count, blocks in arena.finish():
        found[partition] = []
        for number, data in enumerate(blocks):
            block = decode_block(data, SEAL, block_context(ATTEMPT, partition, number))
            found[partition] += zip(python_values(block.keys), python_values(block.values), strict=True)
        assert count == len(found[partition])
    assert found == expected
    assert list(found) == [0, 4]
    assert (spending.spilled > 0) == (size < 10_000)


def test_scratch_is_kept_for_the_next() -> None:
    """Memory is the same from attempt to attempt while it is large enough, and can be given back."""
    forget()
    with scratch(1000) as first, scratch(10) as other:
        assert not np.shares_memory(first, other)
    with scratch(10) as again:
        size = len(again)
    assert kept() == size
    with scratch(5000) as larger:
        assert len(larger) == 5000
        assert kept() == 0
    assert kept() == 5000
    forget()
    assert kept() == 0


def test_what_is_kept_does_not_count() -> None:
    """The budget is that of a process without the memory that it keeps."""
    assert budget(4_000_000).room == budget().room + 4_000_000


def test_gather_uses_its_memory_again() -> None:
    """What was taken is overwritten only when nobody refers to it."""
    values = records(100)
    gather = Gather()
    block = Block(values[:, :4], values)
    addresses = [gather(block, np.arange(50)).values.ctypes.data for _ in range(3)]
    assert len(set(addresses)) == 1
    one = gather(block, np.arange(50))
    keys = one.keys
    del one
    two = gather(block, np.arange(50, 100))
    assert (keys == values[:50, :4]).all()
    assert (two.values == values[50:]).all()
    assert np.shares_memory(two.keys, two.values)


def test_held_until_full() -> None:
    """Records are held as one array until there is no room."""
    held = Held(np.empty(900, np.uint8), 10_000, 0)
    values = records(10)
    assert held.add(Block(values[:, :2], values))
    assert not held.full
    assert held.add(Block(values[:, :2], values))
    assert held.full
    assert held.add(Block(values[:3, :2], values[:3]))
    assert not held.add(Block(np.vstack((values, values))[:, :2], np.vstack((values, values))))
    whole = held.whole()
    assert (whole.values == np.concatenate((values, values, values[:3]))).all()
    assert (whole.keys == whole.values[:, :2]).all()
    held.clear()
    assert held.add(Block(values[:, :2].copy(), values))
    assert (held.whole().values == values).all()
    assert (held.whole().keys == values[:, :2]).all()


def test_held_counts_what_sorting_takes() -> None:
    """Small records are fewer than would fit, as sorting them takes more than they do."""
    held = Held(np.empty(10_000, np.uint8), 1_000, 32)
    assert held.add(Block(np.zeros(20, np.int64), np.zeros(20)))
    assert not held.add(Block(np.zeros(1, np.int64), np.zeros(1)))
