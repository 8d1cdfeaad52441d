"""CRC-32 of many records at once, as zlib computes it of one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The polynomial with its bits reversed, as zlib has it.
_POLYNOMIAL = np.uint32(0xEDB88320)
# Records at once: their states and indexes, and the tables, stay in the second cache.
_AT_ONCE = 16384


def crc32(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """`zlib.crc32` of each row; a row's length is a multiple of 4."""
    result = np.empty(len(rows), np.uint32)
    for start in range(0, len(rows), _AT_ONCE):
        _update(rows[start : start + _AT_ONCE], result[start : start + _AT_ONCE])
    return result


def checksum(rows: NDArray[np.uint8]) -> int:
    """The sum of the rows' CRC-32, which does not depend on their order."""
    return int(crc32(rows).sum(dtype=np.uint64))


def _update(rows: NDArray[np.uint8], result: NDArray[np.uint32]) -> None:
    """Four bytes of every row at a time: a look-up for each half of a state."""
    tables = _tables()
    state = np.full(len(rows), 0xFFFFFFFF, "<u4")
    halves = state.view("<u2").reshape(-1, 2).T
    # What `take` would otherwise convert, and allocate, anew every time.
    indexes = np.empty(halves.shape, np.intp)
    found = np.empty_like(state)
    for word in np.ascontiguousarray(rows.view("<u4").T):
        np.bitwise_xor(state, word, out=state)
        np.copyto(indexes, halves)
        # No index is out of range, and "wrap" is the mode that costs least.
        tables[0].take(indexes[0], out=found, mode="wrap")
        tables[1].take(indexes[1], out=state, mode="wrap")
        np.bitwise_xor(state, found, out=state)
    np.invert(state, out=result)


@cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What the lower and the upper half of a state become when four bytes have been shifted out."""
    one = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        one = np.where(one & 1, one >> 1 ^ _POLYNOMIAL, one >> 1)
    by_place = [one]
    while len(by_place) < 4:
        by_place.append(by_place[-1] >> 8 ^ one[by_place[-1] & 255])
    last, third, second, first = by_place
    return (second[:, None] ^ first).ravel().astype("<u4"), (last[:, None] ^ third).ravel().astype("<u4")
