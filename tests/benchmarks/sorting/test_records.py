"""The records are those of the public generators, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.random128 import number
from benchmarks.sorting.records import END, Kind, blocks, records
from mapreduce.errors import ConfigError

FORMATS = ("binary", "ascii", "teragen")
KINDS = [("binary", False), ("ascii", False), ("teragen", False), ("binary", True), ("ascii", True)]

# What `gensort -c` prints, and Hadoop's TeraChecksum.
PUBLISHED = [
    ("binary", 1, "9ea593a0"),
    ("binary", 10, "55fea8a1a"),
    ("binary", 1000, "1ea6370b955"),
    ("binary", 10**6, "7a0e0d4868cd4"),
    ("ascii", 1, "3fcaea0a"),
    ("ascii", 10, "469302dca"),
    ("ascii", 1000, "1f5dfb3631a"),
    ("ascii", 10**6, "7a19cff467438"),
    ("teragen", 1, "97503e23"),
    ("teragen", 10, "5b2d1434d"),
    ("teragen", 1000, "1f9ffe645ec"),
    ("teragen", 10**6, "7a27e2d0d55de"),
]
# What gensort 1.5 prints with -c, -a, -s and -b for 1,000 records about these numbers.
ELSEWHERE = [
    ("binary", False, 2**40 - 500, "1eb14afda1c"),
    ("binary", False, 2**60 - 500, "1f952b09818"),
    ("binary", False, 2**64 - 500, "1f2500577db"),
    ("binary", False, 2**124 - 500, "1f63e6f8c15"),
    ("binary", False, 2**128 - 1000, "1f9c498d2b3"),
    ("ascii", False, 2**40 - 500, "1fbaceba8a7"),
    ("ascii", False, 2**60 - 500, "1f51c9a2f7f"),
    ("ascii", False, 2**64 - 500, "1eebc68d800"),
    ("ascii", False, 2**124 - 500, "1f1053237fe"),
    ("ascii", False, 2**128 - 1000, "1f9a6a90276"),
    ("binary", True, 0, "1e96301166b"),
    ("binary", True, 2**40 - 500, "1f4c3e8f8e1"),
    ("binary", True, 2**60 - 500, "1f1a2e6acb7"),
    ("binary", True, 2**64 - 500, "1fa421a8b61"),
    ("binary", True, 2**124 - 500, "1e6fb7482d0"),
    ("binary", True, 2**128 - 1000, "1ee9e26c1d2"),
    ("ascii", True, 0, "1eef17d1cac"),
    ("ascii", True, 2**40 - 500, "1fae23c1c17"),
    ("ascii", True, 2**60 - 500, "1f0140ea83d"),
    ("ascii", True, 2**64 - 500, "1e9cc0bd3b6"),
    ("ascii", True, 2**124 - 500, "1f07430b7a2"),
    ("ascii", True, 2**128 - 1000, "1f4fec388e1"),
]


@pytest.mark.parametrize(("layout", "count", "expected"), PUBLISHED)
def test_published_checksums(layout: str, count: int, expected: str) -> None:
    """The sums of CRC-32 are the published ones."""
    assert f"{checksum(records(0, count, layout)):x}" == expected


@pytest.mark.parametrize(("layout", "skewed", "start", "expected"), ELSEWHERE)
def test_checksums_elsewhere(layout: str, skewed: bool, start: int, expected: str) -> None:
    """So are those of other records, and of skewed ones."""
    assert f"{checksum(records(start, 1000, layout, skewed=skewed)):x}" == expected


@pytest.mark.parametrize(("layout", "expected"), [("binary", "79f9a7e6de673"), ("ascii", "7a135fbce6df2")])
def test_checksums_of_a_million_skewed_records(layout: str, expected: str) -> None:
    """As `gensort -s` prints them."""
    assert f"{checksum(records(0, 10**6, layout, skewed=True)):x}" == expected


def test_first_ascii_record() -> None:
    """As the documentation of the benchmark shows it."""
    assert records(0, 1, "ascii").tobytes() == (
        b"AsfAGHM5om  00000000000000000000000000000000  0000222200002222000022220000222200002222000000001111\r\n"
    )


def test_ascii_record_of_a_large_number() -> None:
    """As `gensort -a -b1152921504606846977` writes it."""
    assert records(2**60 + 1, 1, "ascii").tobytes() == (
        b"[2em}.3y.i  00000000000000001000000000000001  77779999444488885555CCCC777755555555BBBB666644446666\r\n"
    )


def test_last_binary_record() -> None:
    """As `gensort -b340282366920938463463374607431768211455` writes it; its key is all NUL."""
    assert records(2**128 - 1, 1).tobytes().hex() == (
        "0000000000000000"
        "0000ba8189a593b9ad80989c5f292247a10b594cb5ebef3e35f67871c9b0a0c91ba48f48924e5f12073336f9cd5dcd0ed33b4382219241ee"
        "590f050b7d4f236d37dd87c65aa3d2509638887e3436ac1d240d53f8bfa56d943bff8799"
    )


@pytest.mark.parametrize("layout", FORMATS)
@given(start=st.integers(0, END - 1))
def test_layout(layout: str, start: int) -> None:
    """One record, byte by byte, from its number and its random number."""
    (record,) = map(bytes, records(start, 1, layout))
    random = number(start)
    top = random.to_bytes(16, "big")[:10]
    digits = b"%032X" % start
    nibbles = b"%013X" % (random & 2**52 - 1)
    if layout == "binary":
        assert record[:10] == top
        assert record[90:] == xor(number(start + 9).to_bytes(16, "big")[:10], bytes.fromhex("170f332e2d2b271e1d1b"))
    elif layout == "ascii":
        high, low = random >> 64, random & 2**64 - 1
        key = [high // 95**place % 95 for place in range(8)] + [low // 95**place % 95 for place in range(2)]
        filler = bytes(nibble for nibble in nibbles for _ in range(4))
        assert record == bytes(32 + digit for digit in key) + b"  " + digits + b"  " + filler + b"\r\n"
    else:
        filler = bytes(nibble for nibble in nibbles[1:] for _ in range(4))
        assert record == top + b"\x00\x11" + digits + b"\x88\x99\xaa\xbb" + filler + b"\xcc\xdd\xee\xff"


def xor(one: bytes, other: bytes) -> bytes:
    """Byte by byte."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("layout", "skewed"), KINDS)
@given(
    start=st.one_of(st.integers(0, 70_000), st.integers(2**60 - 9000, 2**60), st.integers(0, END - 20_000)),
    cut=st.integers(0, 10_000),
)
def test_any_cut(layout: str, skewed: bool, start: int, cut: int) -> None:
    """A range is its two parts, wherever it is cut."""
    whole = records(start, 10_000, layout, skewed=skewed)
    parts = records(start, cut, layout, skewed=skewed), records(start + cut, 10_000 - cut, layout, skewed=skewed)
    assert np.array_equal(whole, np.concatenate(parts))


def test_blocks_are_bounded() -> None:
    """Any number of records takes the memory of one block."""
    pieces = blocks(2**127, 2**126, Kind())
    assert {next(pieces).shape for _ in range(3)} == {(8192, 100)}


def test_no_records() -> None:
    """None are none."""
    assert records(7, 0).shape == (0, 100)
    assert records(END, 0).shape == (0, 100)


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (0, -1), (END, 1), (END - 1, 2)])
def test_numbers_beyond_128_bits(start: int, count: int) -> None:
    """Record numbers do not begin anew."""
    with pytest.raises(ConfigError, match="record numbers have 128 bits"):
        records(start, count)


def test_unknown_format() -> None:
    """The error lists the known ones."""
    with pytest.raises(ConfigError, match="'text' is none of ascii, binary, teragen"):
        records(0, 1, "text")


def test_skewed_teragen() -> None:
    """TeraGen has no such option, so there is no right result."""
    with pytest.raises(ConfigError, match="teragen has no skewed keys; use ascii or binary"):
        records(0, 1, "teragen", skewed=True)
