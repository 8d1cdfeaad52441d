"""Skewed keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sorting.records import records
from benchmarks.sorting.skew import bits_of, mix, source, sources


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 3),
        (2**59, 60),
        (2**60 - 1, 60),
        (2**60, 64),
        (2**63, 64),
        (2**64 - 1, 64),
        (2**64, 65),
        (2**124 - 1, 124),
        (2**124, 128),
        (2**128 - 1, 128),
    ],
)
def test_source(record: int, expected: int) -> None:
    """The length of the number in bits, but for gensort's slip below 2**64 and 2**128."""
    assert source(record) == expected


@given(start=st.one_of(st.integers(0, 40), st.integers(0, 2**128 - 40)), count=st.integers(0, 40))
def test_sources(start: int, count: int) -> None:
    """Those of a range are those of its records."""
    assert sources(start, count).tolist() == [source(start + offset) for offset in range(count)]


@given(low=st.integers(0, 2**64 - 1))
def test_bits(low: int) -> None:
    """Six random bits say how many bits, three how many characters; more than 48 are none."""
    drawn, characters = low >> 32 & 63, low >> 32 & 7
    lows = np.array([low], np.uint64)
    assert bits_of(lows, 1).tolist() == [drawn if drawn <= 48 else 0]
    assert bits_of(lows, 8).tolist() == [characters * 8 if characters <= 6 else 0]


@given(key=st.integers(0, 2**64 - 1), taken=st.integers(0, 2**64 - 1), bits=st.integers(0, 48))
def test_mix(key: int, taken: int, bits: int) -> None:
    """The first bits are the taken ones, the others its own."""
    (mixed,) = mix(np.array([key], np.uint64), np.array([taken], np.uint64), np.array([bits], np.uint64)).tolist()
    assert f"{mixed:064b}" == f"{taken:064b}"[:bits] + f"{key:064b}"[bits:]


@pytest.mark.parametrize("layout", ["binary", "ascii"])
def test_how_skewed(layout: str) -> None:
    """A quarter of the keys are as without skew; the others share beginnings; all else stays."""
    start, count = 2**20, 50_000
    plain, skewed = records(start, count, layout), records(start, count, layout, skewed=True)
    assert np.array_equal(plain[:, 6:], skewed[:, 6:])
    # Where no bit is drawn, or the drawn ones are the same anyway, a key is as it was.
    untouched = (plain == skewed).all(axis=1).mean()
    assert 0.24 < untouched < 0.30
    whole = (skewed[:, :6] == records(21, 1, layout)[0, :6]).all(axis=1).mean()
    # Of 47 bits the last is right anyway in a half of the keys, of 46 the last two in a quarter, and so on.
    assert whole == pytest.approx(2 / 64 if layout == "binary" else (1 + 1 / 95) / 8, rel=0.1)
