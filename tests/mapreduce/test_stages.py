"""Stages are small classes that can be tried by hand, without a driver."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce import ConfigError, Fold, FoldBy, Mapper, Reducer, Task
from mapreduce.stages import is_sum


class Words(Mapper[str, str, int]):
    """Counts words."""

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        for word in line.split():
            if len(word) >= self.least:
                yield word, 1


class Total(Reducer[str, int, str, int]):
    """Sums."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class Mean(Fold[str, float, tuple[float, int], str, float]):
    """Means."""

    def start(self, value: float) -> tuple[float, int]:
        return value, 1

    def add(self, total: tuple[float, int], value: float) -> tuple[float, int]:
        return total[0] + value, total[1] + 1

    def merge(self, total: tuple[float, int], other: tuple[float, int]) -> tuple[float, int]:
        return total[0] + other[0], total[1] + other[1]

    def result(self, key: str, total: tuple[float, int]) -> Iterator[tuple[str, float]]:
        yield key, total[0] / total[1]


def test_stages_by_hand() -> None:
    """A stage needs no engine to be tried."""
    words = Words(least=2)
    words.task = Task()
    words.setup()
    assert list(words.map("to be or a bee")) == [("to", 1), ("be", 1), ("or", 1), ("bee", 1)]
    assert list(words.finish()) == []
    words.teardown()
    assert list(Total().reduce("a", iter([1, 2]))) == [("a", 3)]
    assert list(Total().finish()) == []
    mean = Mean()
    assert list(mean.result("a", mean.merge(mean.add(mean.start(1), 2), mean.start(6)))) == [("a", 3.0)]
    assert list(mean.finish()) == []


def test_count() -> None:
    """Counters add up by name, each task's for itself."""
    words = Words()
    words.task, other = Task(), Task()
    list(words.map("a"))
    list(words.map("b"))
    words.task.count("bytes", 10)
    words.task.count("bytes", by=-3)
    assert words.task.counters == {"lines": 2, "bytes": 7}
    assert other.counters == {}


def test_file(tmp_path: Path) -> None:
    """Side files are found by name; another name is an error that lists the known."""
    task = Task(files={"stop.txt": tmp_path / "1", "a.bin": tmp_path / "2"})
    assert task.file("stop.txt") == tmp_path / "1"
    with pytest.raises(ConfigError, match=r"no side file 'stop'; it has: a\.bin, stop\.txt"):
        task.file("stop")
    with pytest.raises(ConfigError, match="it has: none"):
        Task().file("stop")


def test_task() -> None:
    """A task says where it is."""
    task = Task(job="j", round=1, index=2, attempt=3)
    assert (task.job, task.round, task.index, task.attempt, task.source) == ("j", 1, 2, 3, "")


def test_fold_by() -> None:
    """A function of two is a fold."""
    fold: FoldBy[str, int] = FoldBy(max)
    assert fold.start(3) == 3
    assert fold.add(3, 5) == fold.merge(5, 3) == 5
    assert list(fold.result("a", 5)) == [("a", 5)]


@pytest.mark.parametrize(
    "stage", [Words(3), Total(), Mean(), FoldBy(operator.add)], ids=lambda stage: type(stage).__name__
)
def test_stages_travel(stage: Any) -> None:
    """Stages are pickled with their parameters."""
    other = pickle.loads(pickle.dumps(stage))
    assert type(other) is type(stage)
    assert vars(other) == vars(stage)


@pytest.mark.parametrize("kind", [Mapper, Reducer, Fold])
def test_unfinished_stages(kind: type) -> None:
    """A class that lacks a method has no instances."""
    with pytest.raises(TypeError, match="abstract method"):
        type("Unfinished", (kind,), {})()


def test_is_sum() -> None:
    """The functions that add are known; others are called."""
    assert is_sum(sum)
    assert is_sum(operator.add)
    assert not is_sum(max)
    assert not is_sum(lambda values: sum(values, 1))
