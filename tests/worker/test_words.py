"""A mapper that only yields the words of its line gives the same by arrays as word by word."""

from __future__ import annotations

import gzip
import operator
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import worker.words
from driver import Driver, Result
from mapreduce import Fold, FoldBy, Job, Mapper, Reducer, TaskError
from mapreduce.arrays.words import WordCounts
from mapreduce.formats import TextInput
from tests.worker.build import Memory

PIECES = ["a", "Ab", "ß", "ΑΣ", "word", "\0", "longer-words", "a-word-longer-than-all", " ", "\n", "\r\n", "\t", "\xa0"]


# As it is outside these tests.
LEAST = worker.words._LEAST


class Words(Mapper[str, str, int]):
    """The words of a line."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Each with 1."""
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class Lower(Mapper[str, str, int]):
    """In small letters."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.lower().split():
            yield word, 1


class Upper(Mapper[str, str, int]):
    """In capitals."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.upper().split():
            yield word, 1


class Folded(Mapper[str, str, int]):
    """For comparisons."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.casefold().split():
            yield word, 1


def first(word: str, partitions: int) -> int:
    """A partitioner."""
    return ord(word[0]) % partitions


@pytest.fixture(autouse=True)
def _by_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.words._LEAST", 0)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The text that is counted by arrays."""
    texts: list[bytes] = []

    class Noting(WordCounts):
        def add(self, text: bytes) -> int:
            texts.append(text)
            return super().add(text)

    monkeypatch.setattr("mapreduce.arrays.words.WordCounts", Noting)
    return texts


def run(inputs: Path, mapper: Any = None, combiner: Any = sum, reducer: Any = None, **others: Any) -> Result:
    """Count the words of a file or folder."""
    fields = {name: others.pop(name) for name in ("partitioner", "input_format") if name in others}
    job: Any = Job(mapper=mapper or Words(), combiner=combiner, reducer=reducer or Total(), **fields)
    with Driver(executor="inline", storage=f"memory://{inputs.name}-{id(job)}", **others) as driver:
        return driver.run(job, inputs, partitions=3)


@pytest.mark.parametrize("kind", [Words, Lower, Upper, Folded])
@given(text=st.lists(st.sampled_from(PIECES), max_size=40).map("".join), split=st.integers(1, 40))
def test_equals_word_by_word(tmp_path_factory: Any, kind: Any, text: str, split: int) -> None:
    """Words, counts and records are the same in any text, however it is split."""
    path = tmp_path_factory.getbasetemp() / "text"
    path.write_bytes(text.encode())
    found = []
    for least in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("worker.words._LEAST", least)
            result = run(path, kind(), split_size=split)
            found.append((dict(result), [len(list(result))], result.metrics["records_in"]))
    assert found[0] == found[1]


def test_arrays_are_used(tmp_path: Path, used: list[bytes]) -> None:
    """The words are counted by arrays, of compressed files too, and with a fold in place of the combiner."""
    text = b"one two\r\ntwo three\nthree three"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "plain").write_bytes(text)
    (tmp_path / "in" / "packed.gz").write_bytes(gzip.compress(text))
    expected = {"one": 2, "two": 4, "three": 6}
    assert dict(run(tmp_path / "in")) == expected
    assert b"".join(used) == text * 2
    assert dict(run(tmp_path / "in", combiner=None, reducer=FoldBy(operator.add))) == expected
    assert b"".join(used) == text * 4


class Counting(Words):
    """Has counters, and pairs of its own at the end."""

    def setup(self) -> None:
        self.task.count("begun")

    def finish(self) -> Iterator[tuple[str, int]]:
        yield "one", 10
        yield self.task.source.rpartition("/")[2], 1


def test_what_else_a_mapper_does(tmp_path: Path, used: list[bytes]) -> None:
    """Its setup and its finish run, and know the source."""
    (tmp_path / "source").write_text("one two")
    result = run(tmp_path / "source", Counting())
    maps = result.rounds[0].tasks
    assert dict(result) == {"one": 1 + 10 * maps, "two": 1, "source": maps}
    assert dict(result.counters) == {"begun": maps}
    assert used


def test_partitioner(tmp_path: Path, used: list[bytes]) -> None:
    """A partitioner of one's own is asked, word by word."""
    (tmp_path / "in").write_text("a b c d\nc d a\n")
    result = run(tmp_path / "in", partitioner=first)
    assert sorted(result) == [("a", 2), ("b", 1), ("c", 2), ("d", 2)]
    assert used


def test_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: list[bytes]) -> None:
    """When memory runs out, counts go to the partitions on the way."""
    monkeypatch.setattr("mapreduce.arrays.words.TEXT", 64)
    monkeypatch.setattr("worker.budget.resident_bytes", Memory([False, True] * 100))
    (tmp_path / "in").write_text("a few words\nand a few others\n" * 50 + "a-word-longer-than-all\n")
    expected = {"a": 100, "few": 100, "words": 50, "and": 50, "others": 50, "a-word-longer-than-all": 1}
    result = run(tmp_path / "in")
    assert dict(result) == expected
    assert len(used) > 10
    assert result.rounds[0].records_out > 10 * len(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"input_format": TextInput(errors="replace")},
        {"input_format": TextInput("latin-1")},
        {"input_format": "jsonl"},
        {"memory": "64MB"},
    ],
)
def test_when_word_by_word(tmp_path: Path, used: list[bytes], change: Any) -> None:
    """Text of another kind is read as its format says; with little memory nothing is gathered."""
    (tmp_path / "in").write_text('"a b a"\n')
    words = ["a", "b", "a"] if change.get("input_format") == "jsonl" else ['"a', "b", 'a"']
    assert dict(run(tmp_path / "in", **change)) == Counter(words)
    assert not used


def test_small_input(tmp_path: Path, used: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """For a few words nobody imports NumPy."""
    monkeypatch.setattr("worker.words._LEAST", LEAST)
    (tmp_path / "in").write_text("a few words\n")
    assert dict(run(tmp_path / "in")) == {"a": 1, "few": 1, "words": 1}
    assert not used


def test_without_numpy(tmp_path: Path, used: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NumPy is not installed, words are counted one by one."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    (tmp_path / "in").write_text("a few words\n")
    assert dict(run(tmp_path / "in")) == {"a": 1, "few": 1, "words": 1}
    assert not used


def test_no_text(tmp_path: Path) -> None:
    """A byte that is no text is named with its place, as when words are counted one by one."""
    (tmp_path / "in").write_bytes("é words\n".encode() * 40_000 + b"more \xff\n")
    told = []
    for least in (0, 1 << 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("worker.words._LEAST", least)
            with pytest.raises(TaskError) as error:
                run(tmp_path / "in")
            told.append(str(error.value).partition(": ")[2])
    assert "byte 0xff at offset 360005 is not utf-8" in told[0]
    assert told[0] == told[1]


class Twice(Mapper[str, str, int]):
    """More than the words."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 2


def test_other_mappers(tmp_path: Path, used: list[bytes]) -> None:
    """A mapper that does anything else runs word by word."""
    (tmp_path / "in").write_text("a b a\n")
    assert dict(run(tmp_path / "in", Twice())) == {"a": 4, "b": 2}
    assert not used


class Kept(Fold[str, int, int, str, int]):
    """No plain sum."""

    def start(self, value: int) -> int:
        return value

    def add(self, total: int, value: int) -> int:
        return max(total, value)

    def merge(self, total: int, other: int) -> int:
        return max(total, other)

    def result(self, key: str, total: int) -> Iterator[tuple[str, int]]:
        yield key, total


def test_other_folds(tmp_path: Path, used: list[bytes]) -> None:
    """Values that are not just added up go one by one."""
    (tmp_path / "in").write_text("a b a\n")
    assert dict(run(tmp_path / "in", combiner=None, reducer=Kept())) == {"a": 1, "b": 1}
    assert not used
