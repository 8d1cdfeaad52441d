"""A shuffle of many small pieces in an object store, in three ways.

One object for each map task, read directly, or by way of merge tasks as jobs do it; or one object for each
pair of tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.compare.crew import Crew
from benchmarks.compare.places import Place
from benchmarks.compare.workload import Exchange, Shape, exchange
from driver.exchange import Load, group
from mapreduce.objectstore import open_store
from shuffle import AttemptId, Piece, Receipt, ShuffleStore
from shuffle.base import Partitioned
from shuffle.objects import ObjectShuffle

#: How many times as fast one object for each map task should be.
TARGET = 3.0


@dataclass(frozen=True, kw_only=True)
class Layouts:
    """The same shuffle in each way.

    Attributes:
        maps: map tasks.
        reduces: partitions.
        per_map: with one object for each map task, as the store here has it, and a direct exchange.
        merged: the same with merge tasks between, as jobs exchange so many pieces.
        per_pair: with one object for each map task and partition.
    """

    maps: int
    reduces: int
    per_map: Exchange
    merged: Exchange
    per_pair: Exchange

    @property
    def times(self) -> float:
        """How many times as fast the exchange in two levels is, all phases together."""
        return self.per_pair.seconds / self.merged.seconds

    @property
    def direct_times(self) -> float:
        """How many times as fast a direct exchange with one object for each map task is."""
        return self.per_pair.seconds / self.per_map.seconds

    @property
    def write_times(self) -> float:
        """How many times as fast it is written."""
        return self.per_pair.write.seconds / self.per_map.write.seconds


class ObjectPerPair(ObjectShuffle):
    """The plain way: each partition of each map task is an object, and as many are put at once as pays off.

    It reads, and deletes, as the store here does.
    """

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        def put(one: Partitioned) -> tuple[int, Piece]:
            key = f"{_prefix(attempt)}{one.partition:05d}"
            blocks = list(one.blocks)
            data = b"".join(blocks)
            self.store.put(key, data)
            return one.partition, Piece(attempt.task, attempt.attempt, key, 0, len(data), len(blocks), one.records)

        with ThreadPoolExecutor(self.store.concurrency) as threads:
            return Receipt(dict(threads.map(put, partitions)))

    def sweep(self, attempts: Iterable[AttemptId]) -> None:
        for attempt in attempts:
            self.store.delete([found.key for found in self.store.list(_prefix(attempt))])


def open_per_pair(place: Place) -> ShuffleStore:
    """The store of `place` with one object for each pair of tasks."""
    return ObjectPerPair(open_store(place.url, "shuffle", place.access))


def layouts(place: Place, shape: Shape, crew: Crew) -> Layouts:
    """Shuffle once in each way.

    Raises:
        MapReduceError: the store failed.
    """
    return Layouts(
        maps=shape.maps,
        reduces=shape.reduces,
        per_map=exchange(place, shape, crew),
        merged=exchange(place, shape, crew, groups=group(Load(shape.maps, shape.reduces, shape.size), crew.workers)),
        per_pair=exchange(place, shape, crew, open_per_pair),
    )


def _prefix(attempt: AttemptId) -> str:
    return f"{attempt.job}/pairs/{attempt.round}/{attempt.task:05d}.{attempt.attempt}/"
