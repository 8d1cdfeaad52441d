"""Jobs that a strict type checker accepts."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_type

from driver import Driver, Result
from mapreduce import Fold, FoldBy, HashPartitioner, Job, Mapper, Reducer


class Words(Mapper[str, str, int]):
    """Annotated in full, with another name for the record."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            self.task.count("words")
            yield word, 1

    def finish(self) -> Iterator[tuple[str, int]]:
        yield "end", 0


class Share(Reducer[str, int, str, float]):
    """Another type of value than it takes."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, float]]:
        yield word, sum(counts) / 2


@dataclass
class Mean(Fold[str, int, tuple[int, int], str, float]):
    """An accumulator of its own kind."""

    places: int = 2

    def start(self, value: int) -> tuple[int, int]:
        return value, 1

    def add(self, total: tuple[int, int], value: int) -> tuple[int, int]:
        return total[0] + value, total[1] + 1

    def merge(self, total: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        return total[0] + other[0], total[1] + other[1]

    def result(self, key: str, total: tuple[int, int]) -> Iterator[tuple[str, float]]:
        yield key, round(total[0] / total[1], self.places)


def longest(values: Iterator[int] | list[int]) -> int:
    """A combiner of one's own."""
    return max(values)


shares = Job(mapper=Words(), combiner=sum, reducer=Share(), partitioner=HashPartitioner())
means = Job(mapper=Words(), reducer=Mean(places=3))
totals = Job(mapper=Words(), reducer=FoldBy[str, int](operator.add), partitions=4)
maps = Job(mapper=Words())
driver = Driver(workers=2, memory="512MB")

assert_type(driver.run(shares, "in.txt"), Result[str, float])
assert_type(driver.run(means, ["in.txt"], "out"), Result[str, float])
for key, value in driver.run(totals, "in.txt"):
    assert_type(key, str)
    assert_type(value, int)
driver.run(maps, "in.txt")
driver.run([maps, Job(reducer=Share())], "in.txt", partitions=2)
