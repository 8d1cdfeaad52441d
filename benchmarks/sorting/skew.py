"""Skewed keys, as `gensort -s` makes them: a part of the key's beginning is another record's.

The records of a range of numbers 2**(n-1) to 2**n - 1 take it from record `n`: a quarter of them nothing,
the others so many of its first 48 bits (binary) or 6 characters (ASCII) as a few random bits say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Records whose keys others may take a part of.
SOURCES = 129

_BITS = 48


def source(record: int) -> int:
    """Which record's key a part is taken from.

    The length of the number in bits. Numbers of 61 to 63 bits count as 64, those of 125 to 127 as 128: so does
    gensort, which tests four bits where it means the highest.
    """
    length = record.bit_length()
    for limit in (64, 128):
        if limit - 3 <= length < limit:
            return limit
    return length


def sources(start: int, count: int) -> NDArray[np.intp]:
    """`source` of the records from `start` on."""
    found, lengths = [], []
    record, end = start, start + count
    while record < end:
        found.append(source(record))
        following = min(end, 1 << found[-1])
        lengths.append(following - record)
        record = following
    return np.repeat(np.array(found, np.intp), lengths)


def bits_of(low: NDArray[np.uint64], unit: int) -> NDArray[np.uint64]:
    """How many bits each record takes, by the lower half of its random number.

    Args:
        low: the lower halves.
        unit: 1 for any number of bits, 8 for whole characters.
    """
    mask = np.uint64(64 // unit - 1)
    bits = (low >> np.uint64(32) & mask) * np.uint64(unit)
    bits[bits > _BITS] = 0
    return bits


def mix(keys: NDArray[np.uint64], taken: NDArray[np.uint64], bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The first eight bytes of `keys`, with the first `bits` of them from `taken`."""
    own: NDArray[np.uint64] = np.right_shift(np.uint64(2**64 - 1), bits)
    mixed: NDArray[np.uint64] = (keys & own) | (taken & ~own)
    return mixed
