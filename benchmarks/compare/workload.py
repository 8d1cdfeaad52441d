"""A shuffle without a job around it: blocks are written, read and checked, through the stores' own contract.

Every worker makes its blocks before the clock starts, and keeps what it reads until the clock has
stopped; so writing and reading alone are timed, neither encoding nor checking.
"""

from __future__ import annotations

import hashlib
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.compare.crew import Crew, Done, elapsed, share
from benchmarks.compare.places import Place
from driver.exchange import Groups, merge_rows
from mapreduce.blocks import encode_block
from mapreduce.columns import Buffer
from mapreduce.seal import Seal
from shuffle import AttemptId, Piece, Receipt, ShuffleStore, open_shuffle
from shuffle.base import Partitioned

#: The phases of a shuffle.
PHASES = ("write", "read")
#: Opens the store of a place, in the process that uses it.
Open = Callable[[Place], ShuffleStore]

_SEAL = Seal(b"of the comparison")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much is shuffled.

    Attributes:
        maps: how many map tasks write.
        reduces: how many partitions each of them writes, and so how many reduce tasks read.
        piece: bytes, about, of what a map task writes for a partition; one block.
    """

    maps: int
    reduces: int
    piece: int

    @classmethod
    def of(cls, size: int, maps: int, reduces: int) -> Shape:
        """The shape of a shuffle of about `size` bytes."""
        return cls(maps=maps, reduces=reduces, piece=max(1, size // (maps * reduces)))

    @classmethod
    def square(cls, size: int, piece: int, workers: int) -> Shape:
        """As many maps as reduces, as many for each worker, so that pieces of this size have `size` bytes or more."""
        side = math.ceil(math.sqrt(size / piece) / workers) * workers
        return cls(maps=side, reduces=side, piece=piece)

    @property
    def size(self) -> int:
        """Bytes in all, about."""
        return self.maps * self.reduces * self.piece


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What writing took, or reading.

    Attributes:
        seconds: from the first worker's beginning to the last one's end.
        cpu: seconds of processors of the workers, which are the clients; servers' are not among them.
        calls: seconds of each call of the store: a map task's `write`, a partition's `read`.
        size: bytes moved.
    """

    seconds: float
    cpu: float
    calls: list[float]
    size: int

    @property
    def rate(self) -> float:
        """Bytes in a second."""
        return self.size / self.seconds


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """What a whole shuffle took.

    Attributes:
        write: of all map tasks.
        read: of all partitions.
        merge: of all merge tasks between them; None where the exchange was direct.
        requests: to the store, by kind, the deletion in the end included.
        difference: what a reducer got that it should not have got; "" if all is right.
    """

    write: Phase
    read: Phase
    requests: dict[str, int]
    difference: str
    merge: Phase | None = None

    def phase(self, name: str) -> Phase:
        """A phase by its name."""
        return {"write": self.write, "read": self.read}[name]

    @property
    def seconds(self) -> float:
        """Of all phases."""
        return self.write.seconds + self.read.seconds + (self.merge.seconds if self.merge is not None else 0)


class Told(NamedTuple):
    """What a worker tells of its part.

    Attributes:
        calls: seconds of each call.
        requests: to the store, by kind.
        digests: of the pieces, by map task and partition.
        receipts: by map task, of what was written.
        size: bytes moved.
    """

    calls: list[float]
    requests: Counter[str]
    digests: dict[tuple[int, int], bytes]
    receipts: dict[int, Receipt]
    size: int


class Timed:
    """Times the calls of a shuffle store, from the outside."""

    def __init__(self, store: ShuffleStore) -> None:
        self._store = store
        self.calls: list[float] = []

    def write(self, attempt: AttemptId, partitions: Iterator[Partitioned]) -> Receipt:
        """Write."""
        began = time.perf_counter()
        receipt = self._store.write(attempt, partitions)
        self.calls.append(time.perf_counter() - began)
        return receipt

    def read(self, pieces: Sequence[Piece]) -> list[tuple[Piece, Buffer]]:
        """Read all blocks."""
        began = time.perf_counter()
        blocks = list(self._store.read(pieces))
        self.calls.append(time.perf_counter() - began)
        return blocks


def open_plainly(place: Place) -> ShuffleStore:
    """The store as a job opens it."""
    return open_shuffle(place.url, place.access)


@dataclass(kw_only=True)
class _Part:
    """A worker's part of a phase."""

    place: Place
    job: str
    open: Open
    store: ShuffleStore = field(init=False)
    before: dict[str, int] = field(init=False)

    def prepare(self) -> None:
        """Open the store, and use it as much as it takes for what comes to find connections."""
        self.store = self.open(self.place)
        made = [make_block(64, "warm")]
        receipts = [
            self.store.write(
                AttemptId(self.job, 1, task, secrets.randbits(30)), [Partitioned(part, 1, made) for part in range(16)]
            )
            for task in range(2)
        ]
        # Pieces that are not neighbours, so that they are read apart.
        list(
            self.store.read(
                [piece for pair in zip(*(one.pieces.values() for one in receipts), strict=True) for piece in pair]
            )
        )
        self.store.discard(receipts)
        self.before = self.store.requests.snapshot()

    def requests(self) -> Counter[str]:
        """Since the preparation."""
        counts = Counter(self.store.requests.snapshot())
        counts.subtract(self.before)
        return +counts


@dataclass(kw_only=True)
class Write(_Part):
    """Writes what these map tasks write."""

    shape: Shape
    tasks: Sequence[int]

    def prepare(self) -> None:
        super().prepare()
        self._timed = Timed(self.store)
        self._receipts: dict[int, Receipt] = {}
        self._blocks = {
            (task, partition): make_block(self.shape.piece, f"{task}/{partition}")
            for task in self.tasks
            for partition in range(self.shape.reduces)
        }
        self.place.settle(sum(map(len, self._blocks.values())))

    def act(self) -> None:
        """Write."""
        for task in self.tasks:
            partitions = (Partitioned(number, 1, [self._blocks[task, number]]) for number in range(self.shape.reduces))
            self._receipts[task] = self._timed.write(AttemptId(self.job, 0, task, 0), partitions)

    def result(self) -> Told:
        """What was written."""
        digests = {place: _digest([block]) for place, block in self._blocks.items()}
        size = sum(map(len, self._blocks.values()))
        return Told(self._timed.calls, self.requests(), digests, self._receipts, size)


@dataclass(kw_only=True)
class Merge(_Part):
    """Reads what each row of a merge task names, and writes it by partition."""

    rows: Mapping[int, Sequence[Sequence[Any]]]

    def prepare(self) -> None:
        super().prepare()
        self._timed = Timed(self.store)
        self._receipts: dict[int, Receipt] = {}
        self.place.settle(sum(Piece(*one[1:]).size for row in self.rows.values() for one in row))

    def act(self) -> None:
        """Read, and write."""
        for task, row in self.rows.items():
            piles: dict[int, list[bytes]] = {}
            for (partition, *_), (_, block) in zip(
                row, self._timed.read([Piece(*one[1:]) for one in row]), strict=True
            ):
                piles.setdefault(partition, []).append(bytes(block))
            partitions = (Partitioned(number, len(piles[number]), piles[number]) for number in sorted(piles))
            self._receipts[task] = self._timed.write(AttemptId(self.job, 1, task, 0), partitions)

    def result(self) -> Told:
        """What was written."""
        size = sum(receipt.size for receipt in self._receipts.values())
        return Told(self._timed.calls, self.requests(), {}, self._receipts, size)


@dataclass(kw_only=True)
class Read(_Part):
    """Reads these partitions: for each its pieces, which hold one block of each map task, in order."""

    partitions: Mapping[int, Sequence[Piece]]
    merged: bool = False

    def prepare(self) -> None:
        super().prepare()
        self._timed = Timed(self.store)
        self._blocks: dict[int, list[tuple[Piece, Buffer]]] = {}
        self.place.settle(sum(piece.size for pieces in self.partitions.values() for piece in pieces))

    def act(self) -> None:
        """Read."""
        for partition, pieces in self.partitions.items():
            self._blocks[partition] = self._timed.read(pieces)

    def result(self) -> Told:
        """What was read."""
        found: dict[tuple[int, int], list[Buffer]] = {}
        for partition, blocks in self._blocks.items():
            for number, (piece, block) in enumerate(blocks):
                found.setdefault((number if self.merged else piece.task, partition), []).append(block)
        size = sum(len(block) for blocks in found.values() for block in blocks)
        digests = {place: _digest(blocks) for place, blocks in found.items()}
        return Told(self._timed.calls, self.requests(), digests, {}, size)


def exchange(
    place: Place, shape: Shape, crew: Crew, open_store: Open = open_plainly, *, groups: Groups | None = None
) -> Exchange:
    """Shuffle once through the store of `place`, then delete what was written.

    Args:
        place: of the store.
        shape: how much is shuffled.
        crew: the processes.
        open_store: opens the store.
        groups: of a two-level exchange; None for a direct one.

    Raises:
        MapReduceError: the store failed.
    """
    job = f"compare-{secrets.token_hex(8)}"
    attempts = [AttemptId(job, 0, task, 0) for task in range(shape.maps)]
    store = open_store(place)
    receipts: dict[int, Receipt] = {}
    merges: list[Done] = []
    try:
        wrote = crew.run(
            [
                Write(place=place, job=job, open=open_store, shape=shape, tasks=tasks)
                for tasks in share(shape.maps, crew.workers)
            ]
        )
        for one in wrote:
            receipts |= one.result.receipts
        ordered = [receipts[task] for task in range(shape.maps)]
        if groups is not None:
            rows = merge_rows(ordered, shape.reduces, groups)
            merges = crew.run(
                [
                    Merge(place=place, job=job, open=open_store, rows={task: rows[task] for task in tasks})
                    for tasks in share(len(rows), crew.workers)
                ]
            )
            merged = {task: receipt for one in merges for task, receipt in one.result.receipts.items()}
            ordered = [merged[task] for task in range(len(rows))]
            receipts |= {shape.maps + task: receipt for task, receipt in merged.items()}
        read = crew.run(
            [
                Read(
                    place=place,
                    job=job,
                    open=open_store,
                    partitions={
                        number: [receipt.pieces[number] for receipt in ordered if number in receipt.pieces]
                        for number in numbers
                    },
                    merged=groups is not None,
                )
                for numbers in share(shape.reduces, crew.workers)
            ]
        )
    finally:
        store.discard(receipts.values())
        if len(receipts) < shape.maps:
            store.sweep(attempts)
    expected, found = ({k: v for one in done for k, v in one.result.digests.items()} for done in (wrote, read))
    requests = sum((one.result.requests for one in (*wrote, *merges, *read)), Counter(store.requests.snapshot()))
    return Exchange(
        write=_phase(wrote),
        read=_phase(read),
        requests=dict(sorted(requests.items())),
        difference=differ(expected, found),
        merge=_phase(merges) if merges else None,
    )


def differ(expected: Mapping[tuple[int, int], bytes], found: Mapping[tuple[int, int], bytes]) -> str:
    """How what the reducers got differs from what was written for them, by digests; "" if it does not."""
    wrong = [place for place in sorted({*expected, *found}) if expected.get(place) != found.get(place)]
    if not wrong:
        return ""
    task, partition = wrong[0]
    what = "other bytes" if wrong[0] in found else "nothing"
    return (
        f"{len(wrong):,} of {len(expected):,} pieces are wrong: partition {partition} got {what} of what map task"
        f" {task} wrote for it"
    )


def make_block(size: int, name: str) -> bytes:
    """A block of about `size` bytes, which no compression makes smaller; of one name always the same."""
    data = random.Random(name).randbytes(size)
    extra = len(encode_block([name], [data], _SEAL, name)) - size
    return encode_block([name], [data[: max(1, size - extra)]], _SEAL, name)


def _digest(blocks: Sequence[Buffer]) -> bytes:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.digest()


def _phase(done: Sequence[Done]) -> Phase:
    told: list[Any] = [one.result for one in done]
    return Phase(
        seconds=elapsed(done),
        cpu=sum(one.cpu for one in done),
        calls=[seconds for one in told for seconds in one.calls],
        size=sum(one.size for one in told),
    )
