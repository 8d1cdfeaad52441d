"""The roofline: a shuffle beside the same bytes, in objects of the same sizes, through the client library alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.compare.crew import Crew, elapsed, share
from benchmarks.compare.places import Place
from benchmarks.compare.raw import Raw, Span, open_raw
from benchmarks.compare.workload import PHASES, Shape, exchange, make_block

#: The share of what the client library gets that a shuffle should get.
TARGET = 0.8
#: Bytes of the blocks that are shuffled.
BLOCKS = (64 << 10, 1 << 20, 16 << 20)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A shuffle, and the client library alone: bytes in a second of each.

    Attributes:
        rates: of the shuffle, by phase.
        alone: of the library, by phase.
        difference: what a reducer got that it should not have got; "" if all is right.
    """

    rates: dict[str, float]
    alone: dict[str, float]
    difference: str

    def share(self, phase: str) -> float:
        """The shuffle's share of what the library gets."""
        return self.rates[phase] / self.alone[phase]


def beside(place: Place, shape: Shape, crew: Crew, *, raw_first: bool) -> Beside:
    """Shuffle once, and move as many bytes alone once, in either order.

    Raises:
        MapReduceError: the store failed.
    """
    alone = move_raw(place, shape, crew) if raw_first else None
    shuffled = exchange(place, shape, crew)
    return Beside(
        rates={name: shuffled.phase(name).rate for name in PHASES},
        alone=alone or move_raw(place, shape, crew),
        difference=shuffled.difference,
    )


@dataclass(kw_only=True)
class RawWrite:
    """Writes what these map tasks write."""

    place: Place
    job: str
    shape: Shape
    tasks: Sequence[int]

    def prepare(self) -> None:
        """Make the bytes."""
        self._raw = _open(self.place, self.job)
        self._items = [list(self._items_of(task)) for task in self.tasks]
        self.place.settle(sum(self.result().values()))

    def act(self) -> None:
        """Write, what one task has after the other's."""
        for items in self._items:
            self._raw.write(items)

    def result(self) -> dict[str, int]:
        """The bytes under each key."""
        return {key: len(data) for items in self._items for key, data in items}

    def _items_of(self, task: int) -> Iterator[tuple[str, bytes]]:
        blocks = (make_block(self.shape.piece, f"{task}/{number}") for number in range(self.shape.reduces))
        if self._raw.apart:
            yield from ((_key(self.job, task, number), block) for number, block in enumerate(blocks))
        else:
            yield _key(self.job, task), b"".join(blocks)


@dataclass(kw_only=True)
class RawRead:
    """Reads these partitions: for each its spans."""

    place: Place
    job: str
    partitions: Sequence[Sequence[Span]]

    def prepare(self) -> None:
        """Open the client."""
        self._raw = _open(self.place, self.job)
        self.place.settle(sum(span.end - span.start for spans in self.partitions for span in spans))

    def act(self) -> None:
        """Read, a partition after the other."""
        self._data = [self._raw.read(spans) for spans in self.partitions]

    def result(self) -> int:
        """How many bytes have come."""
        return sum(memoryview(data).nbytes for partition in self._data for data in partition)


def move_raw(place: Place, shape: Shape, crew: Crew) -> dict[str, float]:
    """Write and read what a shuffle of `shape` would, without a store; gives bytes in a second, by phase."""
    job = f"compare-{secrets.token_hex(8)}"
    raw = open_raw(place)
    sizes: dict[str, int] = {}
    try:
        wrote = crew.run(
            [RawWrite(place=place, job=job, shape=shape, tasks=tasks) for tasks in share(shape.maps, crew.workers)]
        )
        for one in wrote:
            sizes |= one.result
        read = crew.run(
            [
                RawRead(
                    place=place,
                    job=job,
                    partitions=[_spans(job, shape, one, sizes, apart=raw.apart) for one in numbers],
                )
                for numbers in share(shape.reduces, crew.workers)
            ]
        )
    finally:
        raw.delete(list(sizes))
    total, came = sum(sizes.values()), sum(one.result for one in read)
    if came != total:
        raise RuntimeError(f"{raw.client} gave {came:,} of the {total:,} bytes that it had written to {place.url}")
    return {"write": total / elapsed(wrote), "read": total / elapsed(read)}


def _spans(job: str, shape: Shape, partition: int, sizes: Mapping[str, int], *, apart: bool) -> list[Span]:
    """What a partition consists of."""
    if apart:
        return [Span(key, 0, sizes[key]) for key in (_key(job, task, partition) for task in range(shape.maps))]
    # Blocks may differ by some bytes in size; the cuts need not be between them.
    return [
        Span(key, sizes[key] * partition // shape.reduces, sizes[key] * (partition + 1) // shape.reduces)
        for key in (_key(job, task) for task in range(shape.maps))
    ]


def _open(place: Place, job: str) -> Raw:
    """The client, after it has been used once, so that what comes finds connections."""
    raw = open_raw(place)
    key = f"{job}-{secrets.token_hex(4)}/warm"
    raw.write([(key, b"warm" * 16)])
    raw.read([Span(key, 0, 64)] * 32)
    raw.delete([key])
    return raw


def _key(job: str, *numbers: int) -> str:
    return "/".join((job, *map(str, numbers)))
