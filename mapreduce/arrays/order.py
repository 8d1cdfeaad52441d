"""Sorting rows: which of them comes first, second and so on.

The processor's vector sort orders plain integers several times as fast as it orders an index beside
them. So the leading bits of a key and the number of its row share one integer of 64 bits; rows whose
bits are equal are then ordered by the rest of their keys, exactly, in the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mapreduce.arrays.keys import Rows, word, words

Order = NDArray[np.int64]


def sort_order(rows: Rows) -> Order:
    """The numbers of the rows in the order of their bytes; equal rows stay in the order they have.

    Example: rows[sort_order(rows)] is sorted.
    """
    count = len(rows)
    if count < 2 or not rows.shape[1]:
        return np.arange(count, dtype=np.int64)
    first = word(rows, 0)
    least, most = int(first.min()), int(first.max())
    bits = (count - 1).bit_length()
    dropped = max(0, (most - least).bit_length() + bits - 64)
    while ((most >> dropped) - (least >> dropped)).bit_length() + bits > 64:
        dropped += 1
    first >>= np.uint64(dropped)
    first -= np.uint64(least >> dropped)  # only after the shift: equal heads must mean equal leading bits
    order, heads = _sort_packed(first, bits)
    if not dropped and rows.shape[1] <= 8:
        return order
    tied = heads[1:] == heads[:-1]
    if tied.any():
        _order_tied(rows[:, (64 - dropped) // 8 :], order, tied)
    return order


def group_starts(rows: Rows) -> Order:
    """Where each run of equal rows begins; `rows` must be sorted."""
    if not len(rows):
        return np.empty(0, np.int64)
    changed = np.zeros(len(rows), bool)
    changed[0] = True
    for number in words(rows):
        found = word(rows, number)
        changed[1:] |= found[1:] != found[:-1]
    return np.flatnonzero(changed)


def _sort_packed(heads: NDArray[np.uint64], bits: int) -> tuple[Order, NDArray[np.uint64]]:
    """The stable order of `heads`, and the heads in that order; a row's number takes `bits` bits, a head the rest."""
    packed = heads << np.uint64(bits)
    packed |= np.arange(len(packed), dtype=np.uint64)
    packed.sort()
    order = (packed & np.uint64((1 << bits) - 1)).view(np.int64)
    packed >>= np.uint64(bits)
    return order, packed


def _order_tied(rests: Rows, order: Order, tied: NDArray[np.bool_]) -> None:
    """Order, among themselves, the places of `order` whose rows are tied with the one before; by `rests` of rows."""
    if not rests.shape[1]:
        return
    member = np.zeros(len(order), bool)
    member[1:] = tied
    member[:-1] |= tied
    places = np.flatnonzero(member)
    # A tie's number: how many ties have begun.
    begun = np.cumsum(~np.concatenate(([False], tied))[places], dtype=np.uint64)
    numbers = order[places]
    by_rest = sort_order(rests[numbers])
    within, _ = _sort_packed(begun[by_rest], (len(places) - 1).bit_length())
    order[places] = numbers[by_rest[within]]
