"""The sort benchmark's records in NumPy arrays, for sorts that one writes by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# An array of bytes, of shape (records, 100).
Rows = Any

_RECORD = 100
# Records of a file that splitters are made of.
_SAMPLE = 2000


def load(paths: Sequence[str]) -> Rows:
    """The records of files, one after the other."""
    data = np.empty(sum(map(os.path.getsize, paths)), np.uint8)
    done = 0
    for path in paths:
        with open(path, "rb") as file:
            done += file.readinto(data[done : done + os.path.getsize(path)].data)
    return data.reshape(-1, _RECORD)


def heads(rows: Rows) -> Any:
    """The first eight bytes of keys, as numbers of the same order."""
    return np.ascontiguousarray(rows[:, :8]).view(">u8").ravel().astype(np.uint64)


def ordered(rows: Rows) -> Rows:
    """The records by their keys of ten bytes: by the first eight, and those that are alike by the other two."""
    keys = heads(rows)
    order = np.argsort(keys)
    found = keys[order]
    same = np.flatnonzero(found[1:] == found[:-1])
    places = np.union1d(same, same + 1)
    alike = order[places]
    tails = np.ascontiguousarray(rows[alike, 8:10]).view(">u2").ravel()
    order[places] = alike[np.lexsort((tails, keys[alike]))]
    return _take(rows, order)


def splitters(files: Sequence[str], parts: int) -> Any:
    """Heads of keys between which `parts` parts are about alike in size."""
    samples = []
    for path in files:
        rows = np.memmap(path, np.uint8, "r").reshape(-1, _RECORD)
        samples.append(heads(rows[:: max(1, len(rows) // _SAMPLE)]))
    sample = np.sort(np.concatenate(samples))
    return sample[np.arange(1, parts) * len(sample) // parts]


def scatter(rows: Rows, between: Any) -> list[Rows]:
    """The records of each part."""
    numbers = np.searchsorted(between, heads(rows), side="right").astype(np.min_scalar_type(len(between)))
    ends = np.cumsum(np.bincount(numbers, minlength=len(between) + 1))
    return np.split(_take(rows, np.argsort(numbers, kind="stable")), ends[:-1])


def _take(rows: Rows, order: Any) -> Rows:
    return rows.view(f"V{_RECORD}").ravel().take(order).view(np.uint8).reshape(-1, _RECORD)
