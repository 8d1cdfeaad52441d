"""The partition of each key of an array: the very one that `HashPartitioner` gives the same key in Python."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from mapreduce.arrays.keys import Array, Rows
from mapreduce.keys import canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
# Bytes from which on a text is dearer together with others than alone.
_LONG = 256


def hash_partitions(keys: Array, partitions: int) -> NDArray[np.uint32]:
    """CRC-32 of each key's canonical encoding, modulo `partitions`; keys as `canonical_keys` gives them."""
    if keys.ndim == 2:
        checksums = _of_rows(keys)
    elif keys.dtype.kind == "i":
        checksums = _of_integers(np.abs(keys).view(np.uint64), keys < 0)  # abs() of the least int64 is right unsigned
    elif keys.dtype.kind == "u":
        checksums = _of_integers(keys, np.zeros(len(keys), bool))
    else:
        checksums = _of_floats(keys)
    return checksums % np.uint32(partitions)


def checksums_of_texts(
    data: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64], prefix: bytes
) -> NDArray[np.uint32]:
    """CRC-32 of `prefix` and each text, bytes of any length within `data`."""
    order = np.argsort(-lengths, kind="stable")
    starts, falling = starts[order], -lengths[order]
    state = np.full(len(starts), ~np.uint32(crc32(prefix)))
    # Byte by byte of all texts that have so many; the few that are very long, one by one.
    least = np.searchsorted(falling, -_LONG)
    for place in range(min(_LONG, -int(falling.min(initial=0)))):
        left = int(np.searchsorted(falling, -place))
        state[least:left] = _step(state[least:left], data[starts[least:left] + place])
    for number in range(least):
        start = int(starts[number])
        state[number] = ~np.uint32(crc32(data.data[start : start - int(falling[number])], crc32(prefix)))
    found = np.empty(len(starts), np.uint32)
    found[order] = ~state
    return found


def _of_rows(rows: Rows) -> NDArray[np.uint32]:
    state = np.full(len(rows), ~np.uint32(crc32(b"b")))
    for column in range(rows.shape[1]):
        state = _step(state, rows[:, column])
    return ~state


def _of_integers(sizes: NDArray[np.uint64], negative: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Of hexadecimal digits behind an "n", with a sign before those of negative numbers."""
    state = np.where(negative, ~np.uint32(crc32(b"n-")), ~np.uint32(crc32(b"n")))
    most = int(sizes.max()).bit_length() if len(sizes) else 0
    for digit in reversed(range(max(1, -(-most // 4)))):
        shifted = sizes >> np.uint64(4 * digit)
        stepped = _step(state, _DIGITS[(shifted & np.uint64(15)).astype(np.intp)])
        # Leading zeros are not written, but for a lone one.
        state = stepped if digit == 0 else np.where(shifted != 0, stepped, state)
    return ~state


def _of_floats(keys: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Whole numbers as the integers that they are equal to; others one by one, each different key once."""
    found = np.empty(len(keys), np.uint32)
    whole = (np.trunc(keys) == keys) & (np.abs(keys) < 2.0**63)
    integers = keys[whole].astype(np.int64)
    found[whole] = _of_integers(np.abs(integers).view(np.uint64), integers < 0)
    rest, inverse = np.unique(keys[~whole], return_inverse=True)
    found[~whole] = np.array([crc32(canonical(key)) for key in rest.tolist()], np.uint32)[inverse]
    return found


def _step(state: NDArray[np.uint32], data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    stepped: NDArray[np.uint32] = _table()[(state & np.uint32(0xFF)) ^ data] ^ (state >> np.uint32(8))
    return stepped


@cache
def _table() -> Any:
    """What CRC-32 makes of each byte: the table of its usual, reflected form."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320) ^ (table >> np.uint32(1)), table >> np.uint32(1))
    return table
