"""Records in arrays, as the hand-written sorts use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.records import Rows, heads, load, ordered, scatter, splitters

# Few different bytes, so that keys have beginnings, or all, in common.
KEYS = st.lists(st.lists(st.sampled_from([0, 1, 255]), min_size=10, max_size=10), min_size=1, max_size=40)


def rows_of(keys: list[list[int]]) -> Rows:
    """Records of these keys, all different in what follows."""
    rows = np.zeros((len(keys), 100), np.uint8)
    rows[:, :10] = keys
    rows[:, 99] = range(len(keys))
    return rows


@given(KEYS)
def test_order(keys: list[list[int]]) -> None:
    """By all ten bytes of the key, as unsigned numbers, and no record is lost."""
    found = [row.tobytes() for row in ordered(rows_of(keys))]
    assert [row[:10] for row in found] == sorted(bytes(key) for key in keys)
    assert sorted(row[99] for row in found) == list(range(len(keys)))


@given(KEYS, st.lists(st.integers(0, 2**64 - 1), max_size=300))
def test_scatter(keys: list[list[int]], between: list[int]) -> None:
    """Each part has the records from one splitter to the next, in the order they had."""
    cuts = np.sort(np.array(between, np.uint64))
    parts = scatter(rows_of(keys), cuts)
    assert len(parts) == len(cuts) + 1
    assert sum(map(len, parts)) == len(keys)
    for part, low, high in zip(parts, [0, *cuts.tolist()], [*cuts.tolist(), 2**64], strict=True):
        assert all(low <= head < high for head in heads(part).tolist())
        assert part[:, 99].tolist() == sorted(part[:, 99].tolist())


def test_files(tmp_path: Path) -> None:
    """Files are read one after the other, and splitters cut their records into parts that are alike."""
    rows = np.random.default_rng(1).integers(0, 256, (9_000, 100), np.uint8)
    paths = []
    for number, some in enumerate(np.split(rows, 3)):
        paths.append(str(tmp_path / str(number)))
        some.tofile(paths[-1])
    assert np.array_equal(load(paths), rows)
    sizes = list(map(len, scatter(rows, splitters(paths, 5))))
    assert len(sizes) == 5
    assert sizes == pytest.approx([1_800] * 5, rel=0.1)


def test_arrow() -> None:
    """Arrow's columns hold the bytes of rows, zeros at their ends included, and give them back."""
    from benchmarks.peers.arrow import column, joined

    rows = np.array([[1, 0], [0, 0], [2, 255]], np.uint8)
    values = column(rows)
    assert values.to_pylist() == [b"\1\0", b"\0\0", b"\2\xff"]
    assert joined(values).tobytes() == rows.tobytes()
    assert joined(values[1:2]).tobytes() == b"\0\0"
    assert joined(values[3:]).tobytes() == b""
    assert joined(values.cast("binary")).tobytes() == rows.tobytes()
