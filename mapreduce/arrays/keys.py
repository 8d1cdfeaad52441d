"""Keys of a batch as rows of bytes whose order, byte by byte, is the keys' own.

Everything else here works on such rows alone: sorting, ranges, merging. Fixed-width byte keys are
their own rows, without a copy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapreduce.errors import KeyTypeError

#: An array of keys or values; its first axis counts records.
Array = NDArray[Any]
#: n keys of w bytes: shape (n, w).
Rows = NDArray[np.uint8]

_HINT = "use an array of integers or floats, or of uint8 with the shape (keys, bytes of a key)"


def canonical_keys(keys: Array) -> Array:
    """The keys in the one dtype that keys equal in Python share: int64, float64, or uint8 of shape (n, w).

    Integers beyond int64 stay uint64.

    Raises:
        KeyTypeError: keys of this dtype or shape have no identity that every worker computes alike.
    """
    kind = keys.dtype.kind
    if keys.ndim == 2 and keys.dtype == np.uint8:
        return keys
    if keys.ndim != 1:
        raise KeyTypeError(f"keys of dtype {keys.dtype} and shape {keys.shape} cannot be grouped: {_HINT}")
    if kind in "bi" or (kind == "u" and keys.dtype.itemsize < 8):
        return keys.astype(np.int64, copy=False)
    if kind == "u":
        beyond = len(keys) and int(keys.max()) > np.iinfo(np.int64).max
        return keys.astype(np.uint64 if beyond else np.int64, copy=False)
    if kind == "f" and keys.dtype.itemsize <= 8:
        found = keys.astype(np.float64, copy=False)
        if np.isnan(found).any():
            raise KeyTypeError("a NaN cannot be a key: it is not equal to itself; leave such records out")
        return found
    if kind == "V" and keys.dtype.names is None and keys.dtype.subdtype is None and keys.dtype.itemsize:
        return as_rows(keys)
    if kind == "S":
        raise KeyTypeError(f"keys of dtype {keys.dtype} lose the zero bytes at their ends: {_HINT}")
    raise KeyTypeError(f"keys of dtype {keys.dtype} have no stable hash: {_HINT}")


def as_rows(values: Array) -> Rows:
    """The bytes of each value, shape (n, bytes of a value); a view where the values lie back to back."""
    packed = np.ascontiguousarray(values)
    width = packed.itemsize * math.prod(packed.shape[1:])
    return packed.reshape(-1).view(np.uint8).reshape(len(values), width)


def sortable_rows(keys: Array) -> Rows:
    """Rows whose order is that of `keys`, an array as `canonical_keys` gives it, or another one of numbers.

    Raises:
        KeyTypeError: values of this dtype have no order of their own.
    """
    if keys.ndim == 2 and keys.dtype == np.uint8:
        return keys
    kind, size = keys.dtype.kind, keys.dtype.itemsize
    if keys.ndim == 1 and kind in ("b", "u"):
        return as_rows(keys.astype(f">u{size}"))
    if keys.ndim == 1 and kind in "iMm":  # two's complement, its sign turned over
        return as_rows((_bits(keys) ^ _sign(size)).astype(f">u{size}"))
    if keys.ndim == 1 and kind == "f" and size <= 8:
        bits = _bits(keys + keys.dtype.type(0))  # -0.0 becomes 0.0, which it is equal to
        # Of negative numbers all bits are turned over, of others the sign alone.
        return as_rows(np.where(bits & _sign(size), ~bits, bits ^ _sign(size)).astype(f">u{size}"))
    raise KeyTypeError(f"values of dtype {keys.dtype} and shape {keys.shape} have no order: {_HINT}")


def word(rows: Rows, number: int) -> NDArray[np.uint64]:
    """The eight bytes from 8 * number on of each row as an integer, the first the highest; zeros behind the end."""
    start = 8 * number
    width = rows.shape[1] - start
    if width >= 8 and rows.strides[1] == 1:
        # Read where they lie: several times as fast as cutting the bytes out first.
        return rows[:, start : start + 8].view(">u8")[:, 0].astype(np.uint64)
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, : min(8, width)] = rows[:, start : start + 8]
    return padded.reshape(-1).view(">u8").astype(np.uint64)


def words(rows: Rows) -> range:
    """The numbers of the words of `rows`."""
    return range(max(1, -(-rows.shape[1] // 8)))


def python_values(values: Array) -> list[Any]:
    """The items of an array as Python has them; rows of bytes, of whatever dtype, as bytes."""
    opaque = values.ndim == 1 and values.dtype.kind == "V" and values.dtype.names is None
    if opaque or (values.ndim == 2 and values.dtype == np.uint8):
        rows = as_rows(values)
        width, data = rows.shape[1], rows.tobytes()
        return [data[start : start + width] for start in range(0, len(data), width)] if width else [b""] * len(rows)
    found: list[Any] = values.tolist()
    return found


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("="), copy=False).view(f"u{values.itemsize}")


def _sign(size: int) -> Any:
    return np.array(1 << (8 * size - 1), f"u{size}")
