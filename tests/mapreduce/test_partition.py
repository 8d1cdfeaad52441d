"""Every key has one partition, the same in all processes."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ConfigError, HashPartitioner, KeyTypeError
from mapreduce.keys import canonical
from mapreduce.partition import partition_all

KEYS = st.text(st.characters()) | st.integers() | st.none() | st.tuples(st.text(), st.booleans())


@given(st.lists(KEYS), st.integers(1, 100))
def test_all_at_once_is_one_by_one(keys: list[Any], partitions: int) -> None:
    """`partition_all` gives what the partitioner gives."""
    found = partition_all(HashPartitioner(), keys, partitions)
    assert found == [HashPartitioner()(key, partitions) for key in keys]
    assert all(0 <= partition < partitions for partition in found)


@given(st.lists(st.text(st.characters())), st.integers(1, 100))
def test_texts_at_once_are_one_by_one(keys: list[str], partitions: int) -> None:
    """The short cut for str gives what all other keys get."""
    assert partition_all(HashPartitioner(), keys, partitions) == [crc32(canonical(key)) % partitions for key in keys]


@pytest.mark.parametrize("key", [1, True, 1.0, np.int64(1), np.float32(1)], ids=repr)
def test_equal_keys_meet(key: Any) -> None:
    """Keys of other types, but equal, go where the first went."""
    assert partition_all(HashPartitioner(), [key, "other"], 1 << 30)[0] == HashPartitioner()(1, 1 << 30)


def test_partitions_do_not_change() -> None:
    """Where keys go is part of the format: a job may resume under a later release."""
    keys = ["", "a", "é", "\ud800", 0, -17, 0.5, None, b"a", ("a", 1), frozenset(("a", "b"))]
    assert partition_all(HashPartitioner(), keys, 1000) == [
        crc32(data) % 1000
        for data in (
            b"s",
            b"sa",
            b"s\xc3\xa9",
            b"s\xed\xa0\x80",
            b"n0",
            b"n-11",
            b"n1/2",
            b"0",
            b"ba",
            b"t\0\0\0\2sa\0\0\0\2n1",
            b"f\0\0\0\2sa\0\0\0\2sb",
        )
    ]


@pytest.mark.parametrize("keys", [range(10_000), list(map(str, range(10_000)))], ids=["int", "str"])
def test_keys_are_spread(keys: Any) -> None:
    """Many keys fill all partitions about equally."""
    counts = Counter(partition_all(HashPartitioner(), keys, 10))
    assert len(counts) == 10
    assert min(counts.values()) > 800


def test_partitioner_of_the_user() -> None:
    """A function serves as it is."""
    assert partition_all(lambda key, partitions: key % partitions, [5, 1, 7], 3) == [2, 1, 1]


@pytest.mark.parametrize("wrong", [-1, 3, 1.0, "1", None], ids=repr)
def test_wrong_partition(wrong: Any) -> None:
    """What is no partition is refused with the key, the answer and the range."""
    with pytest.raises(ConfigError, match=rf"gave {wrong!r} for the key 'b': it must give an int from 0 to 2"):
        partition_all(lambda key, _: 0 if key == "a" else wrong, ["a", "b"], 3)


def test_keys_without_a_hash() -> None:
    """The default partitioner refuses what has no identity."""
    with pytest.raises(KeyTypeError, match=r"builtins\.list"):
        partition_all(HashPartitioner(), ["a", [1]], 3)


def test_value() -> None:
    """Default partitioners are equal, shown as they are written, and travel."""
    one = HashPartitioner()
    assert one == HashPartitioner() == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(HashPartitioner())
    assert one != len
    assert repr(one) == "HashPartitioner()"
