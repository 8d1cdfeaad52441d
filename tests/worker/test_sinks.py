"""From pairs to partitions of blocks."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ConfigError, KeyTypeError
from mapreduce.blocks import decode_block, plain_size
from mapreduce.partition import HashPartitioner, Partitioner
from mapreduce.seal import Seal
from shuffle import AttemptId
from shuffle.base import Partitioned
from tests.worker.build import Memory, ordered
from worker.budget import Budget
from worker.sinks import CombiningSink, PartitionedBlocks, PlainSink, Sink, block_context, flush
from worker.tables import SumTable, columns

SEAL = Seal(b"a secret of the tests")
ATTEMPT = AttemptId("job", 0, 7, 1)
PAIRS = st.lists(st.tuples(st.integers(0, 30) | st.text(max_size=3), st.integers()), max_size=80)
FULL = st.lists(st.booleans(), max_size=40)


def partitioned_blocks(
    partitions: int, partitioner: Partitioner | None = None, budget: Budget | None = None
) -> PartitionedBlocks:
    """Partitions of a small budget."""
    return PartitionedBlocks(partitioner or HashPartitioner(), partitions, SEAL, ATTEMPT, budget or Budget(1, Memory()))


def read(found: Iterable[Partitioned]) -> dict[int, list[tuple[Any, Any]]]:
    """The pairs of each partition; checks what is said of them."""
    partitions: dict[int, list[tuple[Any, Any]]] = {}
    for partition, records, blocks in found:
        assert partition not in partitions
        pairs: list[tuple[Any, Any]] = []
        for number, data in enumerate(blocks):
            block = decode_block(data, SEAL, block_context(ATTEMPT, partition, number))
            pairs += zip(block.keys, block.values, strict=True)
        assert len(pairs) == records > 0
        partitions[partition] = pairs
    return partitions


@given(calls=st.lists(PAIRS, max_size=4), partitions=st.integers(1, 5), full=FULL)
def test_plain_pairs(calls: list[list[tuple[Any, int]]], partitions: int, full: list[bool]) -> None:
    """Every pair lands once in the partition of its key, in the order in which it came, spilled or not."""
    budget = Budget(1, Memory(full))
    sink = PlainSink(partitioned_blocks(partitions, budget=budget), budget, partitions)
    for pairs in calls:
        sink.add(iter(pairs))
    expected: dict[int, list[tuple[Any, int]]] = {}
    for key, value in [pair for pairs in calls for pair in pairs]:
        expected.setdefault(HashPartitioner()(key, partitions), []).append((key, value))
    found = read(sink.finish())
    assert found == expected
    assert list(found) == sorted(found)


@given(calls=st.lists(PAIRS, max_size=4), partitions=st.integers(1, 5), full=FULL)
def test_combined_pairs(calls: list[list[tuple[Any, int]]], partitions: int, full: list[bool]) -> None:
    """Combining keeps each key's total and its partition, however often memory runs out."""
    budget = Budget(1, Memory(full))
    blocks = partitioned_blocks(partitions, budget=budget)
    sink = CombiningSink(SumTable(budget, lambda table: flush(table, blocks)), blocks)
    totals: dict[Any, int] = {}
    for pairs in calls:
        sink.add(iter(pairs))
        for key, value in pairs:
            totals[key] = totals.get(key, 0) + value
    found: dict[Any, int] = {}
    for partition, pairs in read(sink.finish()).items():
        for key, value in pairs:
            assert partition == HashPartitioner()(key, partitions)
            found[key] = found.get(key, 0) + value
    assert found == totals


def test_much_goes_to_disk() -> None:
    """Beyond some blocks in memory the others wait on disk, and come back whole and in order."""
    budget = Budget(1, Memory())
    sink = PlainSink(partitioned_blocks(3, operator.mod, budget), budget, 3)
    pairs = [(number, os.urandom(400)) for number in range(8_000)]
    sink.add(iter(pairs))
    found = sink.finish()
    partitions = read(found)
    assert partitions == {n: [pair for pair in pairs if pair[0] % 3 == n] for n in range(3)}
    assert budget.spilled > 0


def test_blocks_have_about_the_size_of_the_budget() -> None:
    """Small pairs are gathered into blocks, large ones do not make blocks much larger."""
    budget = Budget(1, Memory())
    blocks = partitioned_blocks(1, None, budget)
    blocks.add((number, 1) for number in range(100_000))
    blocks.add((number, bytes(20_000)) for number in range(300))
    [(_, records, encoded)] = blocks.finish()
    sizes = [plain_size(data) for data in encoded]
    assert records == 100_300
    assert max(sizes) < 6 * budget.block
    assert len(sizes) < 300


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda key, partitions: partitions, "the partitioner gave 3 for the key 'a': it must give an int from 0 to 2"),
        (lambda key, partitions: -1, "gave -1"),
        (lambda key, partitions: None, "gave None"),
        (lambda key, partitions: 0.0, r"gave 0\.0"),
        (lambda key, partitions: "0", "gave '0'"),
    ],
    ids=["too-large", "negative", "none", "float", "text"],
)
def test_a_bad_partitioner(given: Partitioner, message: str) -> None:
    """A partition that there is not is an error that shows it with its key."""
    blocks = partitioned_blocks(3, given)
    with pytest.raises(ConfigError, match=message):
        blocks.add([("a", 1)])


def test_a_partitioner_may_answer_yes_or_no() -> None:
    """True and False are partitions 1 and 0, under names that reduce tasks find."""
    blocks = partitioned_blocks(2, lambda key, partitions: key > 5)
    blocks.add([(9, "nine"), (1, "one"), (7, "seven")])
    found = read(blocks.finish())
    assert found == {0: [(1, "one")], 1: [(9, "nine"), (7, "seven")]}
    assert set(map(type, found)) == {int}


@pytest.mark.parametrize("key", [float("nan"), object(), ("a", [1])], ids=["nan", "object", "list"])
def test_keys_without_identity(key: Any) -> None:
    """A key that could not meet its equals is an error, not a group of its own."""
    with pytest.raises(KeyTypeError):
        partitioned_blocks(3).add([("good", 1), (key, 1)])


@pytest.mark.parametrize(
    ("bad", "shown"),
    [
        (5, "not 5"),
        ("abc", "not 'abc'"),
        (("a",), r"not \('a',\)"),
        (("a", 1, 2), r"not \('a', 1, 2\)"),
        (None, "not None"),
        ({"a": 1}, "not {'a': 1}"),
        ("x" * 10_000, "not 'xxx"),
    ],
    ids=["int", "text", "short", "long", "none", "dict", "huge"],
)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_what_is_no_pair(make: Callable[[Any], Any], bad: Any, shown: str) -> None:
    """What a mapper yields instead of pairs is shown, cut short; good pairs around it do not hide it."""
    budget = Budget(1, Memory())
    sink: Sink = PlainSink(partitioned_blocks(1, None, budget), budget, 1)
    sink.add(make([("good", 1), bad, ("good", 2)]))
    with pytest.raises(TypeError, match=rf"\(key, value\) pairs must be yielded, {shown}") as caught:
        list(sink.finish())
    assert len(str(caught.value)) < 400


def test_lists_of_two_are_pairs() -> None:
    """A pair may be a list, as JSON has it; two pairs of a pair each are told from columns."""
    assert columns([["a", 1], ("b", 2)]) == (["a", "b"], [1, 2])  # type: ignore[list-item]
    assert columns([]) == ([], [])
    assert ordered(zip(*columns([("b", 2), ("a", 1)]), strict=True)) == [("a", 1), ("b", 2)]
