"""This package, with a mapper that does something for each word, so that it runs word by word."""

from collections.abc import Iterator

from driver import Driver
from mapreduce import Job, Mapper, Reducer

from ..common import arguments


class Words(Mapper[str, str, int]):
    """The words of a line; none is empty, but Python must look."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            if word:
                yield word, 1


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


if __name__ == "__main__":
    given = arguments()
    words = Job(mapper=Words(), combiner=sum, reducer=Total())
    Driver(workers=given.workers).run(words, given.files, output=given.output)
