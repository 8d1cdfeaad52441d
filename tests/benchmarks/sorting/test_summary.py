"""Summaries of sequences of records."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.summary import SHOWN, Misplaced, Summary
from benchmarks.sorting.validator import summarize

# Keys that are often equal, often in order, that differ in their first or last bytes, and end in NUL.
KEYS = st.one_of(
    st.sampled_from([bytes(10), bytes(9) + b"\x01", b"\x01" + bytes(9), b"\xff" * 10, b"\xff" * 9 + b"\0", b"a" * 10]),
    st.binary(min_size=10, max_size=10),
)


def rows_of(keys: list[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Records that differ in more than their keys."""
    text = b"".join(key + bytes([number % 256]) * 90 for number, key in enumerate(keys))
    return np.frombuffer(text, np.uint8).reshape(-1, 100)


def expected(keys: list[bytes]) -> Summary:
    """The summary by the definition, one record at a time."""
    pairs = list(enumerate(pairwise(keys), 1))
    misplaced = [Misplaced(index, key, before) for index, (before, key) in pairs if key < before]
    return Summary(
        records=len(keys),
        checksum=checksum(rows_of(keys)),
        duplicates=sum(before == key for _, (before, key) in pairs),
        unordered=len(misplaced),
        misplaced=tuple(misplaced[:SHOWN]),
        first=keys[0] if keys else b"",
        last=keys[-1] if keys else b"",
    )


@given(keys=st.lists(KEYS, max_size=60))
def test_records_in_memory(keys: list[bytes]) -> None:
    """What a comparison of every pair of keys finds."""
    assert summarize(rows_of(keys)) == expected(keys)


@given(keys=st.lists(KEYS, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_sums(keys: list[bytes], cuts: list[int]) -> None:
    """The sum of the parts' summaries is that of the whole, whatever the parts, empty ones too."""
    rows = rows_of(keys)
    edges = [0, *sorted(cuts), len(keys)]
    parts = [summarize(rows[begin:end]) for begin, end in pairwise(edges)]
    assert reduce(add, parts) == expected(keys)
    assert reduce(lambda after, before: before + after, reversed(parts)) == expected(keys)


def test_nothing() -> None:
    """No records, no summary."""
    assert summarize(rows_of([])) == Summary()


@pytest.mark.parametrize("byte", range(10))
def test_every_byte_of_a_key_counts(byte: int) -> None:
    """And none behind it does."""
    small = bytes(10)
    large = bytes(byte) + b"\x80" + bytes(9 - byte)
    assert summarize(rows_of([small, large])).unordered == 0
    assert summarize(rows_of([large, small])).misplaced == (Misplaced(1, small, large),)


def test_keys_in_the_order_of_memcmp() -> None:
    """Bytes are unsigned, and NUL at the end is a byte like others."""
    keys = [bytes(10), bytes(9) + b"\x01", b"\x7f" * 10, b"\x80" + bytes(9), b"\xff" * 10]
    found = summarize(rows_of(keys))
    assert (found.unordered, found.duplicates) == (0, 0)
    assert found.first == bytes(10)


def test_all_keys_equal() -> None:
    """All but the first are duplicates, in one sequence or in several."""
    rows = rows_of([b"same key!\0"] * 1000)
    assert summarize(rows).duplicates == 999
    assert (summarize(rows[:400]) + summarize(rows[400:])).duplicates == 999


def test_few_are_shown() -> None:
    """All that are out of order are counted, the first ones told."""
    found = summarize(rows_of([bytes([255 - number]) * 10 for number in range(200)]))
    assert found.unordered == 199
    assert [one.index for one in found.misplaced] == list(range(1, SHOWN + 1))
