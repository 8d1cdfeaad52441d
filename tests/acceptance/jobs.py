"""Small jobs that use what the programming model offers."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from mapreduce import Fold, FoldBy, Job, JsonLinesInput, Mapper, Reducer


class Words(Mapper[str, str, int]):
    """Each word once."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        for word in line.split():
            yield word, 1


class Total(Reducer[Any, int, Any, int]):
    """Adds."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        self.task.count("keys")
        yield key, sum(values)


words = Job(mapper=Words(), combiner=sum, reducer=Total())
words_plain = Job(mapper=Words(), reducer=Total())
words_folded = Job(mapper=Words(), reducer=FoldBy[str, int](operator.add))


class Lengths(Mapper[str, str, int]):
    """First letters, and how long their words are."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word[0], len(word)


class Mean(Fold[str, int, tuple[int, int], str, float]):
    """The mean of a key's values, out of their sum and number."""

    def start(self, value: int) -> tuple[int, int]:
        return value, 1

    def add(self, total: tuple[int, int], value: int) -> tuple[int, int]:
        return total[0] + value, total[1] + 1

    def merge(self, total: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        return total[0] + other[0], total[1] + other[1]

    def result(self, key: str, total: tuple[int, int]) -> Iterator[tuple[str, float]]:
        yield key, total[0] / total[1]


means = Job(mapper=Lengths(), reducer=Mean())


class Largest(Reducer[str, int, str, int]):
    """The largest value."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, max(values)


longest = Job(mapper=Lengths(), combiner=max, reducer=Largest())


class Places(Mapper[str, str, str]):
    """Each word with the name of its file."""

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        for word in line.split():
            yield word, PurePath(self.task.source).name


class Index(Reducer[str, str, str, str]):
    """The names of a word's files."""

    def reduce(self, word: str, names: Iterator[str]) -> Iterator[tuple[str, str]]:
        yield word, ",".join(sorted(set(names)))


index = Job(mapper=Places(), reducer=Index())


class OddKeys(Mapper[str, Any, int]):
    """Keys of many types, some of them equal."""

    def map(self, line: str) -> Iterator[tuple[Any, int]]:
        for number, _ in enumerate(line.split()):
            for key in (number, float(number), number == 1, None, (number, "a"), (float(number), "a"), str(number)):
                yield key, 1


odd_keys = Job(mapper=OddKeys(), reducer=Total(), output_format="jsonl")


class Upper(Mapper[str, str, int]):
    """Lines in capitals, with their lengths."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield line.upper(), len(line)


map_only = Job(mapper=Upper())


class Joined(Reducer[str, str, str, int]):
    """How many different values a key has."""

    def reduce(self, key: str, values: Iterator[str]) -> Iterator[tuple[str, int]]:
        yield key, len(set(values))


reduce_only = Job(reducer=Joined(), input_format="pairs")


class Swap(Mapper[tuple[str, int], int, str]):
    """Pairs the other way round."""

    def map(self, pair: tuple[str, int]) -> Iterator[tuple[int, str]]:
        yield pair[1], pair[0]


class First(Reducer[int, str, int, str]):
    """The first word in the alphabet."""

    def reduce(self, count: int, found: Iterator[str]) -> Iterator[tuple[int, str]]:
        yield count, min(found)


class Marked(Mapper[tuple[int, str], str, int]):
    """Words with a mark."""

    def map(self, pair: tuple[int, str]) -> Iterator[tuple[str, int]]:
        yield f"{pair[1]}!", pair[0]


#: The first word of each frequency, marked: map and reduce twice, then a map.
chain: list[Job[Any, Any, Any, Any, Any]] = [
    words,
    Job(mapper=Swap(), combiner=min, reducer=First()),
    Job(mapper=Marked()),
]


class ByLength:
    """Puts words of one length together."""

    def __call__(self, key: str, partitions: int) -> int:
        return len(key) % partitions


partitioned = Job(mapper=Words(), combiner=sum, reducer=Total(), partitioner=ByLength())


class HoldBack(Mapper[str, str, int]):
    """Counts in a dict of its own, and yields when all has been read."""

    def setup(self) -> None:
        self.counts: Counter[str] = Counter()

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.counts.update(line.split())
        return iter(())

    def finish(self) -> Iterator[tuple[str, int]]:
        yield from self.counts.items()


class Most(Reducer[str, int, str, int]):
    """The keys that have the most, yielded at the end."""

    def setup(self) -> None:
        self.found: dict[str, int] = {}

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.found[key] = sum(values)
        return iter(())

    def finish(self) -> Iterator[tuple[str, int]]:
        self.task.count("held back", len(self.found))
        yield from ((key, count) for key, count in self.found.items() if count > 3)


hold_back = Job(mapper=HoldBack(), reducer=Most())


class Without(Mapper[str, str, int]):
    """Words that a side file does not name."""

    def setup(self) -> None:
        self.stop = set(self.task.file("stop.txt").read_text().split())

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            if word in self.stop:
                self.task.count(f"stopped: {word}")
            else:
                yield word, 1


def without(path: str) -> Job[str, str, int, Any, int]:
    """The words without those of the file at `path`."""
    return Job(mapper=Without(), combiner=sum, reducer=Total(), files={"stop.txt": path})


class Fields(Mapper[Any, str, int]):
    """The fields "name" and "size" of records."""

    def map(self, record: Any) -> Iterator[tuple[str, int]]:
        yield record["name"], int(record["size"])


json_records = Job(mapper=Fields(), reducer=Total(), input_format=JsonLinesInput(), output_format="jsonl")
csv_records = Job(mapper=Fields(), reducer=Total(), input_format="csv", output_format="jsonl")
