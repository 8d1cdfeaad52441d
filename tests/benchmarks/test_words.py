"""Words counted by arrays are the words that `str.split` finds, in any text."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.words import CountWords
from driver.cli import main

SPACES = " \t\n\r\v\f\x1c\x1f\x85\xa0\u1680\u2000\u200a\u2028\u202f\u205f\u3000"
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
    """What the mapper counts in these batches."""
    mapper = CountWords()
    mapper.setup()
    found: Counter[str] = Counter()
    for batch in batches:
        assert list(mapper.map_batch(batch.encode())) == []
    for block in mapper.finish():
        for word, number in zip(block.keys, block.values, strict=True):
            found[word] += number
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
    monkeypatch.setattr("benchmarks.words._HELD", 1_000)
    batches = [" ".join(f"{number * turn % 7919} word-{number:09d}" for number in range(2_000)) for turn in range(5)]
    assert count(batches) == Counter(word for batch in batches for word in batch.split())


def test_benchmark(text: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark's output is the plain one's, byte for byte."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "wordcount", "--batch", "--size", "200KB", "--executor", "inline", "--json"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["difference"] == ""
    assert told["metrics"]["bytes_shuffled"] > 0
