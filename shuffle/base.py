"""The contract of a shuffle store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from mapreduce.columns import Buffer
from mapreduce.finding import Finding
from mapreduce.objectstore import Access, ObjectStore, Requests


class AttemptId(NamedTuple):
    """One execution of a task: the scope of everything that it writes."""

    job: str
    round: int
    task: int
    attempt: int

    def __str__(self) -> str:
        return f"{self.job}/{self.round}/{self.task:05d}.{self.attempt}"


class Piece(NamedTuple):
    """What one map attempt wrote for one partition: all that a store needs to read it back.

    Attributes:
        task: number of the map task.
        attempt: number of its attempt.
        place: where the store put it, as JSON; its meaning is the store's own.
        start: offset of its first byte in `place`, where the store keeps several pieces in one.
        size: bytes in all.
        blocks: how many blocks it is.
        records: how many records the blocks hold.
    """

    task: int
    attempt: int
    place: Any
    start: int
    size: int
    blocks: int
    records: int


class Receipt(NamedTuple):
    """What `write` returns: the pieces of one map attempt, by partition; empty partitions have none."""

    pieces: dict[int, Piece]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(piece.size for piece in self.pieces.values())

    @property
    def records(self) -> int:
        """Records in all."""
        return sum(piece.records for piece in self.pieces.values())

    def to_json(self) -> list[list[Any]]:
        """The receipt as JSON."""
        return [[partition, *piece] for partition, piece in self.pieces.items()]

    @classmethod
    def from_json(cls, rows: list[list[Any]]) -> Receipt:
        """The receipt that `to_json` wrote."""
        return cls({partition: Piece(*piece) for partition, *piece in rows})


class Partitioned(NamedTuple):
    """One partition of what a map attempt writes: its blocks, made when they are asked for."""

    partition: int
    records: int
    blocks: Iterable[bytes]


class Costs(NamedTuple):
    """What requests to a store cost, several of one worker being under way at once.

    Attributes:
        request: seconds that each costs its worker, beside its bytes; 0 where that is nothing that counts.
        rate: requests in a second that the store answers to all workers together.
    """

    request: float = 0.0
    rate: float = float("inf")

    def seconds(self, requests: int, workers: int) -> float:
        """Seconds for so many requests of so many workers."""
        return max(requests * self.request / workers, requests / self.rate)


class ShuffleStore(ABC):
    """Holds blocks, opaque bytes here, from the map attempts that write them to the reduce tasks.

    Everything is written under names of the attempt, so attempts never meet; the receipt of the
    attempt that commits is the only way to what it wrote. The caller detects damage inside a block;
    the store detects what is missing or cut short. Methods may be called from several threads.

    Attributes:
        url: opens the same store elsewhere, through `open_shuffle`.
        requests: counts of what was asked of this instance.
        window: bytes, at most, that reading may hold beside the block that it gives.
        costs: what small requests cost.
    """

    url: str
    window: int = 64 << 20
    costs: Costs = Costs()

    def __init__(self) -> None:
        self.requests = Requests()

    @classmethod
    def connect(cls, url: str, access: Access, spare: ObjectStore | None) -> Self:
        """The store at `url`; see `open_shuffle`."""
        raise NotImplementedError

    def check(self, estimate: int) -> list[str]:
        """Find out, within seconds, whether the store can be used for a shuffle of about `estimate` bytes.

        Returns:
            What may go wrong, in sentences for the user.

        Raises:
            StoreError: it cannot be used; the message says what to do.
        """
        return []

    def examine(self) -> Iterable[Finding]:
        """What else there is to know of the store, within seconds, for whoever looks for what is wrong.

        Raises:
            StoreError: it cannot be found out.
        """
        return ()

    @abstractmethod
    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        """Write what a map attempt made, partition by partition, each at most once, in bounded memory.

        An attempt writes once. When this raises, nothing need be left to read, but something may be
        left to `sweep`.
        """

    @abstractmethod
    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        """The blocks of `pieces`, each with its piece: pieces in the order given, blocks as written.

        Blocks may share memory with others: whoever keeps one may keep megabytes.

        Raises:
            LostBlocks: a piece is missing, or ends early; it names the map task.
        """

    @abstractmethod
    def discard(self, receipts: Iterable[Receipt]) -> None:
        """Delete what these receipts stand for; what is gone already is no error."""

    @abstractmethod
    def sweep(self, attempts: Iterable[AttemptId]) -> None:
        """Delete, when their job has ended, what attempts that left no receipt may have written.

        What a store cannot know of must expire by itself.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"
