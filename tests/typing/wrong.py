"""Jobs that a type checker must refuse, each at the line that says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from driver import Driver
from mapreduce import Job, Mapper, Reducer


class Words(Mapper[str, str, int]):
    """Gives str and int."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield line, 1


class Lengths(Mapper[str, str, int]):
    """Yields another type than it says."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield len(line), 1  # error


class Bytes(Mapper[str, str, int]):
    """Takes another record than it says."""

    def map(self, line: bytes) -> Iterator[tuple[str, int]]:  # error
        yield line.decode(), 1


class Total(Reducer[str, int, str, int]):
    """Takes str and int."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class OfFloats(Reducer[str, float, str, float]):
    """Takes str and float."""

    def reduce(self, word: str, values: Iterator[float]) -> Iterator[tuple[str, float]]:
        yield word, max(values)


class OfNumbers(Reducer[int, int, int, int]):
    """Takes int and int."""

    def reduce(self, number: int, counts: Iterator[int]) -> Iterator[tuple[int, int]]:
        yield number, sum(counts)


def joined(values: Iterable[int]) -> str:
    """Gives another type than it takes."""
    return ",".join(map(str, values))


Job(mapper=Words(), reducer=OfNumbers())  # error
Job(mapper=Words(), combiner=joined, reducer=Total())  # error
Job(mapper=Words, reducer=Total())  # error
Job(mapper=Words(), reducer=Total(), partitons=4)  # error
Driver(worker=2)  # error
for word, count in Driver().run(Job(mapper=Words(), reducer=Total()), "in.txt"):
    print(word + 1, count.upper())  # error
