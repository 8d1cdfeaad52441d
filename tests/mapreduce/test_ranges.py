"""Ranges: even shares of any sample, equal keys together, the same in Python and in arrays."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ByRange, ConfigError, KeyTypeError
from mapreduce.arrays.keys import python_values
from mapreduce.arrays.ranges import find_cuts, range_partitions
from mapreduce.partition import partition_array

WEIGHTS = st.lists(st.integers(1, 50), max_size=40)


@given(WEIGHTS, st.integers(1, 12))
def test_cuts(weights: list[int], shares: int) -> None:
    """Cuts ascend within the line, and there are fewer of them than shares."""
    cuts = find_cuts(np.array(weights, np.int64), shares)
    assert len(cuts) < shares
    assert cuts == sorted(set(cuts))
    assert all(0 < cut < len(weights) for cut in cuts)


@given(WEIGHTS.filter(bool), st.integers(1, 12))
def test_shares_are_even(weights: list[int], shares: int) -> None:
    """No share is larger than a fair one by more than its largest key."""
    ends = [0, *find_cuts(np.array(weights, np.int64), shares), len(weights)]
    sizes = [sum(weights[start:end]) for start, end in pairwise(ends)]
    assert max(sizes) <= sum(weights) / shares + max(weights)


@pytest.mark.parametrize("heavy", [0, 3, 9])
def test_a_heavy_key_is_alone(heavy: int) -> None:
    """A key that outweighs a share gets one of its own."""
    weights = np.ones(10, np.int64)
    weights[heavy] = 100
    ends = [0, *find_cuts(weights, 4), 10]
    shares = [range(start, end) for start, end in pairwise(ends)]
    assert range(heavy, heavy + 1) in shares


def test_as_many_keys_as_shares() -> None:
    """Each different key gets a share; with fewer keys than shares there are fewer shares."""
    assert find_cuts(np.array([1, 9, 4]), 3) == [1, 2]
    assert find_cuts(np.array([1, 9, 4]), 100) == [1, 2]
    assert find_cuts(np.array([7]), 5) == []
    assert find_cuts(np.array([], np.int64), 5) == []


@given(st.lists(st.text(max_size=4)), st.integers(1, 9))
def test_partitions_follow_the_order_of_keys(keys: list[str], partitions: int) -> None:
    """Sorting by partition and then by key is sorting by key; equal keys share a partition."""
    fitted = ByRange().fit(keys, partitions)
    found = [(fitted(key, partitions), key) for key in keys]
    assert [key for _, key in sorted(found)] == sorted(keys)
    assert all(0 <= partition < partitions for partition, _ in found)


@given(st.lists(st.binary(min_size=10, max_size=10), min_size=1), st.integers(1, 9))
def test_arrays_as_in_python(keys: list[bytes], partitions: int) -> None:
    """A key has one partition, in a list and in an array."""
    rows = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 10)
    by_list, by_array = ByRange().fit(keys, partitions), ByRange().fit(rows, partitions)
    assert python_values(np.asarray(by_array.bounds).reshape(-1, 10)) == list(by_list.bounds or ())
    assert partition_array(by_array, rows, partitions).tolist() == [by_list(key, partitions) for key in keys]


@pytest.mark.parametrize("common", [0, 1, 5, 9])
def test_many_rows_and_bounds(common: int) -> None:
    """Bounds that share their first bytes with each other and with the keys are told apart by all of them."""
    random = np.random.default_rng(common)
    rows = random.integers(0, 256, (50_000, 12), dtype=np.uint8)
    rows[::2, :common] = 77
    bounds = np.unique(rows[:400:2], axis=0)
    keys, limits = python_values(rows), python_values(bounds)
    expected = np.searchsorted(np.array(limits, object), np.array(keys, object), side="right")
    assert (range_partitions(rows, bounds) == expected).all()


def test_skewed_samples_make_even_partitions() -> None:
    """Ranges fitted to a sample divide what it was drawn from within half of a fair share."""
    random = np.random.default_rng(1)
    keys = (random.random(100_000) ** 4 * 2**40).astype(np.int64)
    keys[::5] = 12345
    fitted = ByRange().fit(random.permutation(keys)[:16_000], 16)
    counts = np.bincount(partition_array(fitted, keys, 16), minlength=16)
    heavy = counts.argmax()
    others = np.delete(counts, heavy)
    assert counts[heavy] >= 20_000  # equal keys cannot be divided
    assert others[others > 0].max() <= 1.5 * 80_000 / 15


def test_all_equal() -> None:
    """One key makes one partition, the first."""
    assert ByRange().fit([5] * 100, 8)(5, 8) == 0


def test_mixed_numbers() -> None:
    """Keys that are equal in Python land together, of whatever type."""
    fitted = ByRange().fit([1, 2.0, 3, True, 2, 3.0], 3)
    assert Counter(fitted(key, 3) for key in (1, 1.0, True)) == {fitted(1, 3): 3}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["a", 1], "must compare with each other: '<' not supported between"),
        ([None, None, 1], "must compare with each other"),
        ([1.0, float("nan")], "a NaN has no place among sorted keys"),
        ([frozenset("a"), frozenset("b")], "frozensets have no order"),
    ],
    ids=str,
)
def test_keys_without_order(keys: list[Any], message: str) -> None:
    """Keys that cannot be sorted are refused, in the sample and behind it."""
    with pytest.raises(KeyTypeError, match=message):
        ByRange().fit(keys, 3)
    fitted = ByRange(bounds=["m"]) if keys[0] == "a" else ByRange(bounds=[2])
    with pytest.raises(KeyTypeError, match=message):
        [fitted(key, 2) for key in keys]


def test_arrays_of_another_kind_than_the_bounds() -> None:
    """They are refused by name."""
    fitted = ByRange().fit(np.arange(10), 2)
    with pytest.raises(KeyTypeError, match=r"keys of uint8 in rows of 3 do not compare with bounds of int64"):
        partition_array(fitted, np.zeros((2, 3), np.uint8), 2)


def test_unfitted() -> None:
    """Without bounds nothing can be partitioned."""
    with pytest.raises(ConfigError, match="must be fitted to a sample"):
        ByRange()("a", 2)
    with pytest.raises(ConfigError, match="sample must be an int of 1 or more, not 0"):
        ByRange(sample=0)


def test_as_data() -> None:
    """A partitioner can be printed, compared and shipped."""
    assert repr(ByRange(sample=7)) == "ByRange(sample=7)"
    fitted = ByRange().fit(["a", "b", "c"], 2)
    assert pickle.loads(pickle.dumps(fitted)) == fitted != ByRange()
    assert {ByRange(), ByRange()} == {ByRange()}


def test_a_partitioner_of_arrays_is_checked() -> None:
    """What a user-defined one gives must be partitions; one that knows no arrays is refused."""

    class Wrong:
        def __call__(self, key: Any, partitions: int) -> int:
            return 0

        def partition_array(self, keys: Any, partitions: int) -> Any:
            return np.full(len(keys), partitions)

    with pytest.raises(ConfigError, match="must give as many integers from 0 to 1"):
        partition_array(Wrong(), np.arange(3), 2)
    with pytest.raises(ConfigError, match=r"give it a method partition_array"):
        partition_array(len, np.arange(3), 2)  # type: ignore[arg-type]
