"""Words counted by arrays are the words that `str.split` finds, in any text."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.arrays.words import WordCounts
from mapreduce.partition import HashPartitioner, partition_all

SPACES = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
WORDS = (
    "a",
    "b\0",
    "b",
    "12345678",
    "123456789",
    "1234567890123456",
    "12345678901234567",
    "\u00e9\u2019\u2013",
    "€" * 9,
    "\x01",
    "ああ",
)


def count(batches: list[str]) -> Counter[str]:
    """What is counted of these texts."""
    counts = WordCounts()
    for batch in batches:
        assert counts.add(batch.encode()) == batch.count("\n")
    found = Counter(counts.others)
    for counted in counts.take():
        words, numbers = counted.take(slice(None))
        for word, number in zip(words, numbers, strict=True):
            found[word] += number
        expected = partition_all(HashPartitioner(), words, 7) if words else []
        assert counted.partitions(7).tolist() == expected
    assert [len(counted.counts) for counted in counts.take()] == [0, 0]
    return found


@given(st.lists(st.lists(st.sampled_from([*WORDS, *SPACES, " ", " "])).map("".join)))
@example(["b b\0", "b\0 b"])
@example(["\u2019s a\u2003b", "x\xa0y"])
def test_words(batches: list[str]) -> None:
    """Words of all lengths, beside any white space, control characters and NULs."""
    assert count(batches) == Counter(word for batch in batches for word in batch.split())


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text(batches: list[str]) -> None:
    """Any Unicode text at all."""
    texts = [batch.encode("utf-8", "replace").decode() for batch in batches]
    assert count(texts) == Counter(word for text in texts for word in text.split())


def test_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are brought together on the way when there are many different words."""
    for name, number in (("_HELD", 1_000), ("_PIECE", 2_000), ("_SHORT", 1_500), ("_MIDDLE", 1_500)):
        monkeypatch.setattr(f"mapreduce.arrays.words.{name}", number)
    batches = [" ".join(f"{number * turn % 7919} word-{number:09d}" for number in range(2_000)) for turn in range(5)]
    assert count(batches) == Counter(word for batch in batches for word in batch.split())


@given(st.lists(st.sampled_from([*WORDS, *" \n\u2003"]), max_size=40).map("".join), st.integers(16, 60))
def test_pieces(text: str, size: int) -> None:
    """Text is cut into pieces between words, and a word that is longer than a piece stays whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapreduce.arrays.words._PIECE", size)
        assert count([text]) == Counter(text.split())


@given(st.binary(max_size=12), st.sampled_from([b"", b"a ", "\u00e9 ".encode()]))
def test_no_text(data: bytes, before: bytes) -> None:
    """Bytes that are no UTF-8 are refused, wherever they are, and no others."""
    text = before + data
    try:
        text.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            WordCounts().add(text)
    else:
        WordCounts().add(text)


def test_equal_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words whose hashes are equal are not taken for one another."""
    monkeypatch.setattr("mapreduce.arrays.words._MIX", np.uint64(0))
    monkeypatch.setattr("mapreduce.arrays.words._OTHER", np.uint64(0))
    # Beside each other are words that differ in their second halves alone, and in their first.
    batch = " ".join(f"word-{n % 7:09d} word-{n % 5:09d} {n % 3:08d}-end {n % 2:08d}-end {n % 5}" for n in range(50))
    assert count([batch, batch]) == Counter(batch.split() * 2)


def test_white_space_of_unusual_kinds() -> None:
    """Text is not left to Python for a no-break space."""
    counts = WordCounts()
    counts.add(SPACES.join(["one", "two", "one"]).encode())
    assert not counts.others
    short, _ = counts.take()
    assert sorted(zip(*short.take(slice(None)), strict=True)) == [("one", 2), ("two", 1)]
