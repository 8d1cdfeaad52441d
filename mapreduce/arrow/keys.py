"""Keys as arrays of Arrow: one type for keys that are equal, their partitions by hash and by range, their groups."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mapreduce.arrays.hashing import checksums_of_texts, hash_partitions
from mapreduce.arrays.keys import canonical_keys
from mapreduce.errors import KeyTypeError
from mapreduce.keys import canonical
from mapreduce.ranges import Keys, incomparable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_types: Any = pa.types
_HINT = "cast them to strings, binary, integers, floats or booleans"


def canonical_arrow(keys: Any) -> Any:
    """The keys in the one type that keys equal in Python share: large_string, large_binary, int64 or double.

    Integers beyond int64 stay uint64; nulls stay null.

    Raises:
        KeyTypeError: keys of this type have no identity that every worker computes alike.
    """
    kind = keys.type
    if _types.is_string(kind) or _types.is_large_string(kind):
        return keys.cast(pa.large_string())
    if _types.is_binary(kind) or _types.is_large_binary(kind) or _types.is_fixed_size_binary(kind):
        return keys.cast(pa.large_binary())
    if _types.is_uint64(kind):
        most = pc.max(keys).as_py()
        return keys.cast(pa.uint64() if most is not None and most >= 1 << 63 else pa.int64())
    if _types.is_integer(kind) or _types.is_boolean(kind):
        return keys.cast(pa.int64())
    if _types.is_floating(kind):
        found = keys.cast(pa.float64())
        if pc.any(pc.is_nan(found)).as_py():
            raise KeyTypeError("a NaN cannot be a key: it is not equal to itself; leave such records out")
        return found
    raise KeyTypeError(f"keys of Arrow's type {kind} have no stable hash: {_HINT}")


def arrow_hash_partitions(keys: Any, partitions: int) -> NDArray[np.uint32]:
    """The partition that `HashPartitioner` gives each key in Python; keys as `canonical_arrow` gives them."""
    if _types.is_large_string(keys.type) or _types.is_large_binary(keys.type):
        prefix = b"s" if _types.is_large_string(keys.type) else b"b"
        found = checksums_of_texts(*_texts(keys), prefix) % np.uint32(partitions)
    else:
        numbers = keys.fill_null(0).to_numpy(zero_copy_only=False)
        found = hash_partitions(canonical_keys(numbers), partitions)
    if keys.null_count:
        found[_nulls(keys)] = crc32(canonical(None)) % partitions
    return found


def arrow_range_partitions(keys: Any, bounds: Keys) -> NDArray[np.intp]:
    """For each key, how many of the sorted `bounds`, in Python's types, are not above it: the number of its range.

    Raises:
        KeyTypeError: the keys cannot be compared with the bounds.
    """
    if keys.null_count:
        raise KeyTypeError("a null has no place among sorted keys; map it to another key or leave it out")
    order = sort_indices([keys])
    try:
        cuts = [bisect_left(order, bound, key=lambda place: keys[place].as_py()) for bound in bounds]
    except TypeError as error:
        raise incomparable(error) from error
    found = np.empty(len(keys), np.intp)
    found[order] = np.searchsorted(np.array(cuts, np.intp), np.arange(len(keys)), side="right")
    return found


def sort_indices(columns: list[Any]) -> NDArray[np.int64]:
    """The places of records in the order of these columns, nulls last; equal records stay in the order they have."""
    names = [str(number) for number in range(len(columns))]
    order = pc.sort_indices(pa.table(columns, names), sort_keys=[(name, "ascending") for name in names])
    found: NDArray[np.int64] = order.to_numpy().astype(np.int64)
    return found


def arrow_starts(keys: Any) -> NDArray[np.int64]:
    """Where each run of equal keys begins; `keys` must be sorted."""
    count = len(keys) - keys.null_count
    changed = np.zeros(len(keys), bool)
    changed[:1] = True
    if count > 1:
        different = pc.not_equal(keys.slice(1, count - 1), keys.slice(0, count - 1))
        changed[1:count] = different.to_numpy(zero_copy_only=False)
    changed[count : count + 1] = True
    return np.flatnonzero(changed)


def _texts(keys: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """The bytes of all keys, where each begins, and their lengths; of nulls any."""
    _, offsets, data = keys.buffers()
    if not len(keys):
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64)
    ends = np.frombuffer(offsets, np.int64, len(keys) + 1, 8 * keys.offset)
    return np.frombuffer(data or b"", np.uint8), ends[:-1], np.diff(ends)


def _nulls(keys: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = keys.is_null().to_numpy(zero_copy_only=False)
    return found
