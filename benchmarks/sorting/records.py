"""The sort benchmark's records, any range of them, in any layout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.sorting import layouts, skew
from benchmarks.sorting.layouts import BLOCK, RECORD
from mapreduce.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Record numbers lie below this.
END = 2**128

_LAYOUTS: dict[str, layouts.Layout] = {
    "ascii": layouts.write_ascii,
    "binary": layouts.write_binary,
    "teragen": layouts.write_teragen,
}
# How gensort's -s cuts keys; TeraGen has no such option.
_UNITS = {"ascii": 8, "binary": 1}


class Kind(NamedTuple):
    """What records look like.

    Attributes:
        layout: binary (gensort 1.5), ascii (gensort -a) or teragen (Hadoop's TeraGen, gensort 1.1).
        skewed: with keys as of gensort -s.
    """

    layout: str = "binary"
    skewed: bool = False

    def check(self) -> None:
        """Refuse what does not exist.

        Raises:
            ConfigError: no such layout, or it has no skewed keys.
        """
        if self.layout not in _LAYOUTS:
            raise ConfigError(f"format: {self.layout!r} is none of {', '.join(_LAYOUTS)}")
        if self.skewed and self.layout not in _UNITS:
            raise ConfigError(f"skewed: {self.layout} has no skewed keys; use {' or '.join(_UNITS)}")


def check_range(start: int, count: int) -> None:
    """Refuse a range that holds what is no record number.

    Raises:
        ConfigError: it begins below 0 or ends above 2**128.
    """
    if start < 0 or count < 0 or start + count > END:
        raise ConfigError(f"{count} records from number {start} on: record numbers have 128 bits")


def records(start: int, count: int, layout: str = "binary", *, skewed: bool = False) -> NDArray[np.uint8]:
    """The records of these numbers, of shape (count, 100).

    Args:
        start: number of the first record.
        count: how many.
        layout: binary (gensort 1.5), ascii (gensort -a) or teragen (Hadoop's TeraGen, gensort 1.1).
        skewed: with keys as of gensort -s.

    Raises:
        ConfigError: a record number of more than 128 bits, no such layout, or it has no skewed keys.
    """
    rows = np.empty((max(0, count), RECORD), np.uint8)
    done = 0
    for block in blocks(start, count, Kind(layout, skewed)):
        rows[done : done + len(block)] = block
        done += len(block)
    return rows


def blocks(start: int, count: int, kind: Kind) -> Iterator[NDArray[np.uint8]]:
    """The records of these numbers, up to BLOCK at once; each block is overwritten by the next.

    Raises:
        ConfigError: as for `records`.
    """
    kind.check()
    check_range(start, count)
    buffer = np.empty((BLOCK, RECORD), np.uint8)
    end = start + count
    while start < end:
        following = min(end, start // BLOCK * BLOCK + BLOCK)
        rows = buffer[: following - start]
        _write(rows, start, kind)
        yield rows
        start = following


def _write(rows: NDArray[np.uint8], start: int, kind: Kind) -> None:
    low = _LAYOUTS[kind.layout](rows, start)
    if kind.skewed:
        keys = _prefixes(rows)
        taken = _taken(kind.layout)[skew.sources(start, len(rows))]
        keys[:] = skew.mix(keys.astype(np.uint64), taken, skew.bits_of(low, _UNITS[kind.layout]))


def _prefixes(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The first eight bytes of each record, as big-endian numbers."""
    prefixes: NDArray[np.uint64] = rows[:, :8].view(">u8")[:, 0]
    return prefixes


@cache
def _taken(layout: str) -> NDArray[np.uint64]:
    """The first bytes of the keys that skewed records take a part of."""
    return _prefixes(records(0, skew.SOURCES, layout)).astype(np.uint64)
