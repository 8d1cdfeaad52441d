"""Jobs that a type checker must refuse: each marked line has an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from driver import Driver
from mapreduce import Fold, FoldBy, Job, Mapper, Reducer


class Words(Mapper[str, str, int]):
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield line, 1


class Total(Reducer[str, int, str, int]):
    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class OfBytes(Mapper[str, str, int]):
    def map(self, line: bytes) -> Iterator[tuple[str, int]]:  # error
        yield line.decode(), 1


class YieldsText(Mapper[str, str, int]):
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield line, "1"  # error


class ReturnsText(Mapper[str, str, int]):
    def map(self, line: str) -> Iterator[str]:  # error
        yield line


class FinishesOtherwise(Words):
    def finish(self) -> Iterator[tuple[int, int]]:  # error
        yield 1, 1


class Joined(Reducer[str, str, str, str]):
    def reduce(self, word: str, values: Iterator[str]) -> Iterator[tuple[str, str]]:
        yield word, ",".join(values)


class ByNumber(Reducer[int, int, int, int]):
    def reduce(self, number: int, values: Iterator[int]) -> Iterator[tuple[int, int]]:
        yield number, sum(values)


class Lists(Fold[str, str, list[str], str, int]):
    def start(self, value: str) -> list[str]:
        return [value]

    def add(self, total: list[str], value: str) -> list[str]:
        return [*total, value]

    def merge(self, total: list[str], other: list[str]) -> list[int]:  # error
        return [1]

    def result(self, key: str, total: list[str]) -> Iterator[tuple[str, int]]:
        yield key, len(total)


def as_text(values: Iterable[int]) -> str:
    return str(list(values))


def first_word(values: Iterable[str]) -> str:
    return next(iter(values))


def nowhere(key: str, partitions: int) -> str:
    return key


Job(mapper=Words(), combiner=as_text, reducer=Total())  # error
Job(mapper=Words(), combiner=first_word, reducer=Total())  # error
Job(mapper=Words(), combiner=len, reducer=Total())  # error
Job(mapper=Words(), reducer=Joined())  # error
Job(mapper=Words(), reducer=ByNumber())  # error
Job(mapper=Words(), reducer=Lists())  # error
Job(mapper=Words(), reducer=FoldBy[str, str](max))  # error
Job(mapper=Words(), reducer=Total(), partitioner=nowhere)  # error
Job(mapper=Words, reducer=Total())  # error
Job(mapper=Total())  # error
Job(reducer=Words())  # error
Job(Words(), Total())  # error
FoldBy[str, int](len)  # error

driver = Driver()
Driver(workers="two")  # error
Driver(cores=2)  # error
words = Job(mapper=Words(), combiner=sum, reducer=Total())
driver.run(Words(), "in.txt")  # error
driver.run(words, 5)  # error
driver.run(words, "in.txt", partitions="3")  # error
for word, count in driver.run(words, "in.txt"):
    word.append(1)  # error
    count.lower()  # error
pairs: list[tuple[str, str]] = list(driver.run(words, "in.txt"))  # error
