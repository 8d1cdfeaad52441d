"""Keys as arrays: the same partition as in Python, the same order, exactly, for any width."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import HashPartitioner, KeyTypeError
from mapreduce.arrays.hashing import hash_partitions
from mapreduce.arrays.keys import as_rows, canonical_keys, python_values, sortable_rows
from mapreduce.arrays.order import group_starts, sort_order

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)


def rows(keys: list[bytes]) -> Any:
    """Keys of one width as rows."""
    return np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), len(keys[0]) if keys else 3)


def keys_of_one_width(letters: bytes = b"\0\1a\xff", most: int = 20) -> Any:
    """Lists of keys that share many bytes."""
    letter = st.sampled_from(list(letters))
    return st.integers(1, most).flatmap(
        lambda width: st.lists(st.lists(letter, min_size=width, max_size=width).map(bytes), min_size=1, max_size=60)
    )


@given(keys_of_one_width())
def test_sort_order(keys: list[bytes]) -> None:
    """Rows are ordered by all their bytes, NULs at the end too; equal ones stay in their order."""
    assert sort_order(rows(keys)).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 10, 16, 17, 33])
@pytest.mark.parametrize("letters", [1, 2, 256])
def test_sort_order_of_many(width: int, letters: int) -> None:
    """So it is where row numbers take many bits, and where ties are many."""
    some = np.random.default_rng(width).integers(0, letters, (5_000, width), dtype=np.uint8)
    some[::3, : width // 2] = 255
    keys = python_values(some)
    assert sort_order(some).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


def test_sort_order_within_records() -> None:
    """Keys may be a slice of wider records."""
    records = np.random.default_rng(0).integers(0, 256, (1_000, 100), dtype=np.uint8)
    keys = python_values(records[:, 90:])
    assert sort_order(records[:, 90:]).tolist() == sorted(range(1_000), key=keys.__getitem__)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8"])
def test_zeros_are_one(dtype: str) -> None:
    """Zeros of either sign are equal, so they are one key."""
    zeros = sortable_rows(np.array([0.0, -0.0, 0.0], dtype))
    assert (zeros[0] == zeros).all()


@given(keys_of_one_width(most=12))
def test_groups(keys: list[bytes]) -> None:
    """A group begins wherever a sorted key differs from the one before it."""
    ordered = sorted(keys)
    expected = [place for place in range(len(keys)) if not place or ordered[place] != ordered[place - 1]]
    assert group_starts(rows(ordered)).tolist() == expected


@pytest.mark.parametrize(
    ("dtype", "numbers"), [(np.int64, INTEGERS), (np.float64, FLOATS), (np.uint64, st.integers(0, 2**64 - 1))]
)
def test_rows_of_numbers_have_their_order(dtype: Any, numbers: Any) -> None:
    """Rows of numbers compare as the numbers do, and are equal where they are."""

    @given(numbers, numbers)
    def check(one: float, other: float) -> None:
        first, second = python_values(sortable_rows(np.array([one, other], dtype)))
        assert (first < second, first == second) == (one < other, one == other)

    check()


@given(st.lists(INTEGERS), st.integers(1, 1000))
def test_integers_hash_as_in_python(keys: list[int], partitions: int) -> None:
    """An integer of an array lands where HashPartitioner puts the same int."""
    found = hash_partitions(canonical_keys(np.array(keys, np.int64)), partitions)
    assert found.tolist() == [HashPartitioner()(key, partitions) for key in keys]


@given(st.lists(FLOATS | INTEGERS.map(float)))
def test_floats_hash_as_in_python(keys: list[float]) -> None:
    """So does a float, one that is equal to an integer too."""
    found = hash_partitions(canonical_keys(np.array(keys, np.float64)), 97)
    assert found.tolist() == [HashPartitioner()(key, 97) for key in keys]


@given(keys_of_one_width())
def test_bytes_hash_as_in_python(keys: list[bytes]) -> None:
    """So do fixed-width bytes."""
    assert hash_partitions(rows(keys), 31).tolist() == [HashPartitioner()(key, 31) for key in keys]


@pytest.mark.parametrize("dtype", ["i1", "i4", ">i8", "u1", "u2", "u8", "?"])
def test_equal_integers_of_all_dtypes_are_one(dtype: str) -> None:
    """1 of any integer dtype is one key."""
    found = canonical_keys(np.array([1, 0, 1], dtype))
    assert found.dtype == np.int64
    assert hash_partitions(found, 1000).tolist() == [HashPartitioner()(key, 1000) for key in (1, 0, 1)]


def test_integers_beyond_64_bits_with_sign() -> None:
    """They stay what they are."""
    found = canonical_keys(np.array([2**64 - 1, 1], np.uint64))
    assert found.tolist() == [2**64 - 1, 1]
    assert hash_partitions(found, 1000).tolist() == [HashPartitioner()(key, 1000) for key in (2**64 - 1, 1)]


def test_void_keys_are_bytes() -> None:
    """Opaque items are rows of their bytes."""
    assert python_values(canonical_keys(np.array([b"ab\0", b"abc"], "V3"))) == [b"ab\0", b"abc"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (np.array([b"ab\0"], "S3"), "lose the zero bytes at their ends"),
        (np.array(["ab"]), "have no stable hash"),
        (np.array([1.0, np.nan]), "a NaN cannot be a key"),
        (np.zeros((2, 2)), r"shape \(2, 2\) cannot be grouped"),
        (np.zeros(2, "M8[s]"), "have no stable hash"),
        (np.zeros(2, [("a", "i4")]), "have no stable hash"),
        (np.array([None]), "have no stable hash"),
    ],
    ids=str,
)
def test_keys_without_identity(keys: Any, message: str) -> None:
    """Other keys are refused by their dtype."""
    with pytest.raises(KeyTypeError, match=message):
        canonical_keys(keys)


def test_rows_of_values() -> None:
    """The bytes of each value, whatever its shape."""
    values = np.arange(12, dtype=">i2").reshape(2, 3, 2)
    assert python_values(as_rows(values)) == [values[0].tobytes(), values[1].tobytes()]
