"""Ranges of keys: cutting sampled keys into shares of equal weight, and finding the range of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mapreduce.arrays.keys import Rows, word

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below this many rows, a table of 65,536 entries costs more than it saves.
_TABLE = 1 << 14


def find_cuts(weights: NDArray[np.int64], shares: int) -> list[int]:
    """Where to cut a line of different keys, given how often each was sampled, into at most `shares` even shares.

    A key is never divided. One that weighs more than a share gets one of its own, and those behind it
    divide what is left.

    Returns:
        Places in the line, ascending, each in 1 ... len(weights) - 1: a share begins there.
    """
    if not len(weights):
        return []
    ends = np.cumsum(weights)
    total = int(ends[-1])
    cuts: list[int] = []
    start, before = 0, 0
    for left in range(shares, 1, -1):
        wanted = before + (total - before) / left
        place = int(np.searchsorted(ends, wanted))  # the first key with which the share is full
        under = int(ends[place - 1]) - before if place > start else 0
        over = int(ends[place]) - before
        fair = wanted - before
        # Its last key belongs to it unless the share is nearer to what it should be without.
        cut = place if under and fair - under < over - fair else place + 1
        if cut >= len(ends):
            break
        cuts.append(cut)
        start, before = cut, int(ends[cut - 1])
    return cuts


def range_partitions(rows: Rows, bounds: Rows) -> NDArray[np.intp]:
    """For each row, how many of the sorted `bounds` are not above it: the number of its range."""
    if not len(bounds) or not len(rows):
        return np.zeros(len(rows), np.intp)
    first, limits = word(rows, 0), word(bounds, 0)
    if len(rows) < _TABLE:
        return _exact(rows, first, bounds, limits)
    # Most ranges are told by 16 bits; only where a bound falls inside must one look closer.
    heads = limits >> np.uint64(48)
    table = np.searchsorted(heads, np.arange(1 << 16, dtype=np.uint64))
    inside = np.zeros(1 << 16, bool)
    inside[heads] = True
    prefix = (first >> np.uint64(48)).astype(np.uint16)
    found: NDArray[np.intp] = table.astype(np.intp)[prefix]
    unsure = np.flatnonzero(inside[prefix])
    if len(unsure):
        found[unsure] = _exact(rows[unsure], first[unsure], bounds, limits)
    return found


def _exact(rows: Rows, first: NDArray[np.uint64], bounds: Rows, limits: NDArray[np.uint64]) -> NDArray[np.intp]:
    found = np.searchsorted(limits, first, side="right")
    if rows.shape[1] <= 8:
        return found
    below = np.searchsorted(limits, first, side="left")
    for low in np.unique(below[below < found]).tolist():
        same = np.flatnonzero((below == low) & (found > low))
        high = int(found[same[0]])
        found[same] = low + range_partitions(rows[same, 8:], bounds[low:high, 8:])
    return found
