"""Jobs of several times the memory of a worker, run in a process of their own: `python -m tests.worker.heavy NAME`."""

from __future__ import annotations

import json
import operator
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mapreduce import FoldBy, Mapper, Reducer
from tests.worker.build import Laid
from worker.budget import peak_bytes

MEMORY = 96_000_000


class Make(Mapper):
    """Makes pairs of each record."""

    def __init__(self, make: Callable[[int], Iterable[tuple[Any, Any]]]) -> None:
        self.make = make

    def map(self, record: int) -> Iterator[tuple[Any, Any]]:
        yield from self.make(record)


class Size(Reducer):
    """How many values a key has, and of how many bytes."""

    def reduce(self, key: Any, values: Iterator[bytes]) -> Iterator[tuple[Any, tuple[int, int]]]:
        sizes = list(map(len, values))
        yield key, (len(sizes), sum(sizes))


class Same(Reducer):
    """Every pair again."""

    def reduce(self, key: Any, values: Iterator[bytes]) -> Iterator[tuple[Any, bytes]]:
        for value in values:
            yield key, value


class First(Reducer):
    """One of the values."""

    def reduce(self, key: Any, values: Iterator[bytes]) -> Iterator[tuple[Any, bytes]]:
        yield key, next(values)


def first(values: Iterable[bytes]) -> bytes:
    """One of the values."""
    return next(iter(values))


def mixed(record: int) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Keys that come first in canonical order have small values, the others large ones."""
    for number in range(100):
        yield (0, 100 * record + number), b"small"
    for number in range(5):
        yield (1, 5 * record + number), os.urandom(10_000)


def spread(record: int) -> Iterator[tuple[int, bytes]]:
    """A thousand keys that no other record has, in no order."""
    for number in range(0, 400_000, 400):
        yield number + record, os.urandom(500)


#: name -> (records, what is made of each, combiner, reducer, pairs of the output, bytes that its values tell of)
JOBS: dict[str, tuple[int, Callable[[int], Iterable[tuple[Any, Any]]], Any, Any, int, int]] = {
    "one-group": (30_000, lambda n: [("key", os.urandom(10_000))], None, Size(), 1, 300_000_000),
    "one-record": (1, lambda n: ((k % 7, os.urandom(10_000)) for k in range(30_000)), None, Size(), 7, 300_000_000),
    "many-groups": (400, spread, None, Size(), 400_000, 200_000_000),
    "mixed-sizes": (1_800, mixed, None, Same(), 189_000, 90_900_000),
    "many-folds": (700, lambda n: ((n + k, 1) for k in range(0, 700_000, 700)), None, FoldBy(operator.add), 700_000, 0),
    "large-folds": (250, lambda n: [(n, os.urandom(1_000_000))], None, FoldBy(max), 250, 250_000_000),
    "combined": (30_000, lambda n: [(n % 100, os.urandom(10_000))], first, First(), 100, 1_000_000),
    "large-combined": (250, lambda n: [(n, os.urandom(1_000_000))], first, First(), 250, 250_000_000),
}


def size_of(value: Any) -> int:
    """The bytes that a value of the output tells of."""
    return value[1] if isinstance(value, tuple) else len(value) if isinstance(value, bytes) else 0


def main(name: str, folder: str) -> None:
    """Run a job in two attempts; print the peak of memory and what came out, as JSON."""
    records, make, combiner, reducer, pairs, size = JOBS[name]
    laid = Laid(
        [range(records)],
        mapper=Make(make),
        combiner=combiner,
        reducer=reducer,
        partitions=1,
        storage=folder,
        memory=MEMORY,
    )
    peaks = []
    assert laid.map() == "committed", laid.failure(0)
    peaks.append(peak_bytes())
    laid.plan_reduce()
    assert laid.reduce() == "committed", laid.failure(1)
    peaks.append(peak_bytes())
    part = laid.part(1)
    found = [
        len({key for key, _ in part}) if name == "many-folds" else len(part),
        sum(size_of(value) for _, value in part),
    ]
    spilled = [laid.commit(round).metrics["spilled"] for round in (0, 1)]
    print(json.dumps({"peaks": peaks, "found": found, "expected": [pairs, size], "spilled": spilled}))


if __name__ == "__main__":
    main(*sys.argv[1:])
