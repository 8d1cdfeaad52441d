"""Jobs that a type checker must take, with the types that it must find."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, assert_type

from driver import Driver, Result
from mapreduce import CsvInput, Fold, FoldBy, Job, JsonLinesInput, Mapper, PairsInput, ParquetInput, Reducer, TextInput


class Words(Mapper[str, str, int]):
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        for word in line.split():
            yield word, 1

    def finish(self) -> list[tuple[str, int]]:
        return [("", 0)]


class Total(Reducer[str, int, str, float]):
    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, float]]:
        yield word, sum(counts) / 2


class Untyped(Mapper):
    def map(self, record: Any) -> Any:
        yield record, 1


class Swapped(Mapper[tuple[str, float], float, str]):
    def map(self, pair: tuple[str, float]) -> list[tuple[float, str]]:
        return [(pair[1], pair[0])]


class Mean(Fold[str, int, tuple[int, int], str, float]):
    def start(self, value: int) -> tuple[int, int]:
        return value, 1

    def add(self, total: tuple[int, int], value: int) -> tuple[int, int]:
        return total[0] + value, total[1] + 1

    def merge(self, total: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        return total[0] + other[0], total[1] + other[1]

    def result(self, key: str, total: tuple[int, int]) -> Iterator[tuple[str, float]]:
        yield key, total[0] / total[1]


def largest(values: Iterable[int]) -> int:
    return max(values)


def by_first(key: str, partitions: int) -> int:
    return len(key) % partitions


words = assert_type(Job(mapper=Words(), combiner=sum, reducer=Total()), Job[str, str, int, str, float])
assert_type(Job(mapper=Words(), combiner=max, reducer=Total()), Job[str, str, int, str, float])
assert_type(Job(mapper=Words(), combiner=largest, reducer=Total()), Job[str, str, int, str, float])
assert_type(Job(mapper=Words(), combiner=lambda counts: max(counts), reducer=Total()), Job[str, str, int, str, float])  # noqa: PLW0108
assert_type(Job(mapper=Words(), reducer=Mean(), partitioner=by_first), Job[str, str, int, str, float])
assert_type(Job(mapper=Words(), reducer=FoldBy[str, int](operator.add)), Job[str, str, int, str, int])
Job(mapper=Words(), reducer=FoldBy(operator.add))
Job(mapper=Words())
Job(mapper=Untyped(), reducer=Total())
Job(mapper=Words(), input_format=TextInput(errors="replace"), output_format="jsonl", files=["a", "b"])
Job(mapper=Untyped(), input_format=JsonLinesInput(), files={"a": "b"})
Job(mapper=Untyped(), input_format=CsvInput(header=False))
Job(mapper=Untyped(), input_format=ParquetInput(columns=["a", "b"]))
Job(reducer=FoldBy[str, str](max), input_format=PairsInput())

driver = Driver(workers=2, memory="512MB", split_size=1 << 20, callbacks=[print])
result = assert_type(driver.run(words, "in.txt"), Result[str, float])
for word, half in result:
    assert_type(word, str)
    assert_type(half, float)
assert_type(result.counters, dict[str, int])
with driver.run(words, ["a", "b"], output="out", partitions=3) as held:
    assert_type(held, Result[str, float])
assert_type(driver.run([words, Job(mapper=Swapped())], "in.txt"), Result[Any, Any])
chain: list[Job] = [words, Job(mapper=Swapped())]
assert_type(driver.run(chain, "in.txt"), Result[Any, Any])
assert_type(driver.run(Job(mapper=Words()), "in.txt"), Result[Any, Any])
