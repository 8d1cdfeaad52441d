"""Which partition, and so which reduce task, a key belongs to: by hash."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex
from zlib import crc32

from mapreduce.errors import ConfigError
from mapreduce.keys import canonical, encode_text

#: A partitioner: the key and the number of partitions give the partition, from 0 to partitions - 1.
#: It must give equal keys the same partition in every process.
Partitioner = Callable[[Any, int], int]

_TEXT = crc32(b"s")  # canonical() puts an "s" before the text of a str


class HashPartitioner:
    """Spreads keys by CRC-32 of their canonical encoding: the default."""

    def __call__(self, key: Any, partitions: int, /) -> int:
        """The partition of `key`; raises KeyTypeError where it has no stable hash."""
        return crc32(canonical(key)) % partitions

    def partition_array(self, keys: Any, partitions: int, /) -> Any:
        """The partition of each key of an array that `canonical_keys` or `canonical_arrow` gave, as integers."""
        if not hasattr(keys, "dtype"):
            from mapreduce.arrow.keys import arrow_hash_partitions

            return arrow_hash_partitions(keys, partitions)
        from mapreduce.arrays.hashing import hash_partitions

        return hash_partitions(keys, partitions)

    def __eq__(self, other: object) -> bool:
        return type(other) is HashPartitioner

    def __hash__(self) -> int:
        return hash(HashPartitioner)

    def __repr__(self) -> str:
        return "HashPartitioner()"


def partition_all(partitioner: Partitioner, keys: Sequence[Any], partitions: int) -> list[int]:
    """The partition of each of `keys`, in their order.

    Raises:
        ConfigError: a user-defined partitioner gave something other than 0 ... partitions - 1.
        KeyTypeError: the default partitioner met a key without a stable hash.
    """
    if type(partitioner) is HashPartitioner:
        if set(map(type, keys)) == {str}:
            try:
                return [crc32(key.encode(), _TEXT) % partitions for key in keys]
            except UnicodeEncodeError:  # a lone surrogate
                return [crc32(encode_text(key), _TEXT) % partitions for key in keys]
        return [crc32(canonical(key)) % partitions for key in keys]
    found = [partitioner(key, partitions) for key in keys]
    for key, partition in zip(keys, found, strict=True):
        if not isinstance(partition, SupportsIndex) or not 0 <= operator.index(partition) < partitions:
            raise ConfigError(
                f"the partitioner gave {partition!r} for the key {key!r}: it must give an int from 0 to"
                f" {partitions - 1}"
            )
    return list(map(int, found))


def partition_array(partitioner: Partitioner, keys: Any, partitions: int) -> Any:
    """The partition of each key of an array, as an array of integers.

    Args:
        partitioner: one that has a method `partition_array(keys, partitions)`.
        keys: as `arrays.keys.canonical_keys`, or of Arrow `arrow.keys.canonical_arrow`, gives them.
        partitions: how many there are.

    Raises:
        ConfigError: it has none, or gave something other than 0 ... partitions - 1.
        KeyTypeError: the partitioner cannot take keys of this dtype.
    """
    method = getattr(partitioner, "partition_array", None)
    if method is None:
        raise ConfigError(
            f"the partitioner {partitioner!r} takes keys one by one: give it a method partition_array(self, keys,"
            " partitions) that returns an array of integers, to be used with batches"
        )
    found = method(keys, partitions)
    if len(found) != len(keys) or (len(found) and not 0 <= int(found.min()) <= int(found.max()) < partitions):
        raise ConfigError(
            f"the partitioner {partitioner!r} gave {found!r:.200} for {len(keys)} keys: partition_array must give as"
            f" many integers from 0 to {partitions - 1}"
        )
    return found
