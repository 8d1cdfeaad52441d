"""The layouts of the sort benchmark's records: 10 bytes of key, then what tells the record apart.

A layout writes records of consecutive numbers, up to BLOCK of them that lie in one block of numbers
(BLOCK * n to BLOCK * (n + 1) - 1), so that most digits of a record's number are the same in all.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.sorting.random128 import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # Writes the records from a number on; returns the lower halves of their random numbers.
    Layout = Callable[[NDArray[np.uint8], int], NDArray[np.uint64]]

#: Bytes of a record, and of its key.
RECORD = 100
KEY = 10
#: Records that a layout writes at once; a power of two up to 16 bits.
BLOCK = 8192

# What the ten pieces of a binary record are xored with.
_PADS = np.frombuffer(
    bytes.fromhex(
        "00000000000000000000 F0E8E4E2E1D8D4D2D1CC CAC9C6C5C3B8B4B2B1AC AAA9A6A5A39C9A999695 938E8D8B87787472716C"
        "6A696665635C5A595655 534E4D4B473C3A393635 332E2D2B271E1D1B170F C8C4C2C1989492918CE0 170F332E2D2B271E1D1B"
    ),
    np.uint8,
)
_DIGITS = b"0123456789ABCDEF"
_PRINTABLE = 95  # characters from the space on


def write_binary(rows: NDArray[np.uint8], start: int) -> NDArray[np.uint64]:
    """Gensort 1.5: the tops of ten consecutive random numbers, all but the first xored with constants."""
    count = len(rows)
    high, low = numbers(start, count + RECORD // KEY - 1)
    tops = np.empty((len(high), KEY), np.uint8)
    _write_tops(tops, high, low)
    pieces = np.lib.stride_tricks.sliding_window_view(tops.reshape(-1), RECORD)[::KEY]
    np.bitwise_xor(pieces, _PADS, out=rows)
    return low[:count]


def write_ascii(rows: NDArray[np.uint8], start: int) -> NDArray[np.uint64]:
    """`gensort -a`: printable key, record number, filler, CR LF."""
    high, low = numbers(start, len(rows))
    _write_numbers(rows, start, between=b"  ", before=b"  " + bytes(4), end=b"\r\n")
    pairs = _printable_pairs()
    rest = high
    for place in range(0, 8, 2):
        high, rest = rest, rest // np.uint64(_PRINTABLE**2)
        _column(rows, place, "<u2")[:] = pairs.take((high - rest * np.uint64(_PRINTABLE**2)).view(np.int64))
    _column(rows, 8, "<u2")[:] = pairs.take((low % np.uint64(_PRINTABLE**2)).view(np.int64))
    _column(rows, 46, "<u4")[:] = _repeated_digits()[:16].view("<u4")[1::2].take((low >> 48 & 15).view(np.int64))
    _write_filler(rows, 50, low)
    return low


def write_teragen(rows: NDArray[np.uint8], start: int) -> NDArray[np.uint64]:
    """Hadoop's TeraGen, which is gensort 1.1: binary key, record number, filler, between constants."""
    high, low = numbers(start, len(rows))
    _write_numbers(rows, start, between=b"\x00\x11", before=b"\x88\x99\xaa\xbb", end=b"\xcc\xdd\xee\xff")
    _write_tops(rows, high, low)
    _write_filler(rows, 48, low)
    return low


def _write_tops(rows: NDArray[np.uint8], high: NDArray[np.uint64], low: NDArray[np.uint64]) -> None:
    """The ten most significant bytes of each number."""
    _column(rows, 0, ">u8")[:] = high
    _column(rows, 8, ">u2")[:] = low >> 48


def _write_numbers(rows: NDArray[np.uint8], start: int, *, between: bytes, before: bytes, end: bytes) -> None:
    """The record number in 32 digits at byte 12, `between` before and `before` after it, and `end`."""
    text = bytes(KEY) + between + b"%032X" % start + before
    rows[:] = np.frombuffer(text.ljust(RECORD - len(end), b"\0") + end, np.uint8)
    last = start & 0xFFFF
    _column(rows, 40, "<u4")[:] = _four_digits()[last : last + len(rows)]


def _write_filler(rows: NDArray[np.uint8], place: int, low: NDArray[np.uint64]) -> None:
    """The last twelve digits of each number, every one four times."""
    table = _repeated_digits()
    for shift in range(40, -8, -8):
        _column(rows, place, "<u8")[:] = table.take((low >> np.uint64(shift) & np.uint64(255)).view(np.int64))
        place += 8


def _column(rows: NDArray[np.uint8], place: int, kind: str) -> NDArray[np.uint64]:
    """The bytes of all records from `place` on, as numbers of a kind."""
    dtype = np.dtype(kind)
    column: NDArray[np.uint64] = rows[:, place : place + dtype.itemsize].view(dtype)[:, 0]
    return column


@cache
def _four_digits() -> NDArray[np.uint32]:
    """Four digits of every number of 16 bits, in the order of memory."""
    return np.frombuffer(b"".join(b"%04X" % value for value in range(1 << 16)), "<u4")


@cache
def _repeated_digits() -> NDArray[np.uint64]:
    """Two digits of every number of 8 bits, each four times, in the order of memory."""
    return np.frombuffer(b"".join(bytes([one] * 4 + [two] * 4) for one in _DIGITS for two in _DIGITS), "<u8")


@cache
def _printable_pairs() -> NDArray[np.uint16]:
    """Two printable characters for every number below 95**2, the last digit first, in the order of memory."""
    printable = range(ord(" "), ord(" ") + _PRINTABLE)
    return np.frombuffer(b"".join(bytes([last, first]) for first in printable for last in printable), "<u2")
