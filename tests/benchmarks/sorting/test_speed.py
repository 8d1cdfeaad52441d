"""The measurement of one core."""

from __future__ import annotations

import zlib

from benchmarks.sorting import speed
from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.records import records


def test_all_ways_give_the_same_sum() -> None:
    """What is compared does the same work."""
    rows = records(0, 300)
    expected = sum(zlib.crc32(row.data) for row in rows)
    assert checksum(rows) == speed._zlib_in_list(rows) == speed._zlib_in_itertools(rows) == expected


def test_table() -> None:
    """Every piece of work is timed, and told by record and by second."""
    speeds = speed.run(20_000, 1)
    assert {"make binary", "make ascii, skewed", "CRC-32 of each", "valsort of a sorted file"} <= {
        one.work for one in speeds
    }
    assert all(one.bytes == 2_000_000 for one in speeds)
    text = speed.sheet([speed.Speed(work="a work", bytes=2_000_000, cpu=0.004)]).markdown()
    assert "| a work | 200 ns | 500 MB/s |" in text
