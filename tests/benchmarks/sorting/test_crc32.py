"""CRC-32 of many records at once."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sorting.crc32 import checksum, crc32
from benchmarks.sorting.records import records


@given(rows=st.lists(st.binary(min_size=100, max_size=100), max_size=20))
def test_as_zlib(rows: list[bytes]) -> None:
    """Each record's is what zlib computes."""
    array = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 100)
    assert crc32(array).tolist() == [zlib.crc32(row) for row in rows]
    assert checksum(array) == sum(map(zlib.crc32, rows))


@pytest.mark.parametrize("width", [4, 8, 52, 128])
def test_widths(width: int) -> None:
    """A row may have any number of whole words."""
    rows = records(0, 256).reshape(-1)[: width * 100].reshape(100, width)
    assert crc32(rows).tolist() == [zlib.crc32(row.data) for row in rows]


def test_more_than_at_once() -> None:
    """Records are taken in pieces, the last of which is shorter."""
    rows = records(5, 40_000)
    found = crc32(rows)
    assert found.shape == (40_000,)
    for index in (0, 16_383, 16_384, 32_768, 39_999):
        assert found[index] == zlib.crc32(rows[index].data)


def test_sum_of_large_values() -> None:
    """The sum has more than 32 bits."""
    assert checksum(np.zeros((1_000_000, 4), np.uint8)) == 1_000_000 * zlib.crc32(bytes(4))
