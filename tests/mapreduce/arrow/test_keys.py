"""Keys of Arrow: the partition of equal keys in Python, and their order."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ByRange, ConfigError, HashPartitioner, KeyTypeError
from mapreduce.arrow.keys import arrow_starts, canonical_arrow, sort_indices
from mapreduce.partition import partition_array
from tests.mapreduce.arrow.arrays import FLOATS, INTEGERS, KEYS, TEXTS, arrays


@given(arrays(KEYS), st.integers(1, 1000))
def test_hash(array: Any, partitions: int) -> None:
    """Every key, null too, lands where HashPartitioner puts the same key in Python."""
    found = partition_array(HashPartitioner(), canonical_arrow(array), partitions)
    assert found.tolist() == [HashPartitioner()(key, partitions) for key in array.to_pylist()]


def test_long_and_short_texts() -> None:
    """So do texts of all lengths beside each other."""
    keys = ["é" * number for number in range(400)] + ["", "x" * 100_000]
    found = HashPartitioner().partition_array(pa.array(keys, pa.large_string()), 1 << 30)
    assert found.tolist() == [HashPartitioner()(key, 1 << 30) for key in keys]


@given(arrays(KEYS))
def test_canonical_keys_are_equal(array: Any) -> None:
    """The canonical type holds equal keys, and is its own."""
    found = canonical_arrow(array)
    assert found.to_pylist() == array.to_pylist()
    assert canonical_arrow(found).equals(found)
    assert found.type in (pa.large_string(), pa.large_binary(), pa.int64(), pa.float64(), pa.uint64())
    assert found.type != pa.uint64() or max(key for key in found.to_pylist() if key is not None) >= 2**63


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (pa.array([1.0, float("nan")]), "a NaN cannot be a key"),
        (pa.array([[1]]), r"keys of Arrow's type list<.*> have no stable hash: cast them"),
        (pa.array([1], pa.date32()), r"keys of Arrow's type date32\[day\] have no stable hash"),
        (pa.array([None]), "keys of Arrow's type null have no stable hash"),
    ],
    ids=str,
)
def test_keys_without_identity(keys: Any, message: str) -> None:
    """Other keys are refused by their type."""
    with pytest.raises(KeyTypeError, match=message):
        canonical_arrow(keys)


@pytest.mark.parametrize(
    ("kind", "items"),
    [(pa.large_string(), TEXTS), (pa.large_binary(), st.binary()), (pa.int64(), INTEGERS), (pa.float64(), FLOATS)],
    ids=str,
)
def test_ranges(kind: Any, items: Any) -> None:
    """A key's range is the one that ByRange finds for the same key in Python."""

    @given(st.lists(items), st.lists(items, max_size=5).map(sorted))
    def check(keys: list[Any], bounds: list[Any]) -> None:
        found = partition_array(ByRange(bounds=bounds), pa.array(keys, kind), len(bounds) + 1)
        assert found.tolist() == [bisect_right(bounds, key) for key in keys]

    check()


def test_keys_outside_an_order() -> None:
    """Nulls, and keys of another type than the bounds, have no range."""
    with pytest.raises(KeyTypeError, match="a null has no place among sorted keys"):
        ByRange(bounds=["a"]).partition_array(pa.array(["a", None]), 2)
    with pytest.raises(KeyTypeError, match="must compare with each other"):
        ByRange(bounds=["a"]).partition_array(pa.array([1]), 2)
    with pytest.raises(ConfigError, match="takes keys one by one"):
        partition_array(lambda key, partitions: 0, pa.array([1]), 2)


@given(arrays(KEYS))
def test_order_and_groups(array: Any) -> None:
    """Keys are sorted as in Python, nulls last, stably; a group begins wherever a key differs from the one before."""
    order = sort_indices([array])
    keys = array.to_pylist()
    assert order.tolist() == sorted(range(len(keys)), key=lambda place: (keys[place] is None, keys[place]))
    ordered = [keys[place] for place in order]
    expected = [place for place in range(len(keys)) if not place or ordered[place] != ordered[place - 1]]
    assert arrow_starts(array.take(order)).tolist() == expected
