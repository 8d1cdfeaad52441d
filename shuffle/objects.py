"""Shuffle through an object store: one object for each map attempt.

The partitions lie back to back in the object, and the receipt holds their offsets; so a map attempt
costs one PUT however many partitions there are, and a reducer needs ranged GETs alone, no index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

from mapreduce.columns import Buffer
from mapreduce.objectstore import ObjectStore
from mapreduce.sizes import format_size
from shuffle.base import AttemptId, Costs, Partitioned, Piece, Receipt, ShuffleStore
from shuffle.fetch import Fetcher, Range
from shuffle.frames import cut

# Bytes of one request, at most: a block that comes in two is copied, and few are longer.
_LONGEST = (16 << 20) + (1 << 16)

# Seconds that a service takes to answer a small read, and reads in a second that S3 answers below one prefix:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
_LATENCY, _REQUESTS = 0.03, 5_500


class ObjectShuffle(ShuffleStore):
    """Keeps an attempt's blocks in the object `<job>/shuffle/<round>/<task>.<attempt>` of `store`."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__()
        self.store = store
        self.url = store.url
        self.requests = store.requests
        self.near = store.concurrency == 1
        if not self.near:
            self.costs = Costs(request=_LATENCY / store.concurrency, rate=_REQUESTS)

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        key = _key(attempt)
        pieces: dict[int, Piece] = {}
        task, number = attempt.task, attempt.attempt
        end = 0
        with ExitStack() as stack:
            write: Callable[[bytes | memoryview], int] | None = None
            for partition, records, blocks in partitions:
                start, count = end, 0
                for block in blocks:
                    if write is None:  # an attempt without blocks makes no object
                        write = stack.enter_context(self.store.create(key)).write
                    write(block)
                    end += len(block)
                    count += 1
                if count:
                    pieces[partition] = Piece(task, number, key, start, end - start, count, records)
        return Receipt(pieces)

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        return cut(
            Fetcher(self.store, self.window).read(_ranges(pieces, min(_LONGEST, self.window))),
            pieces,
            lambda piece: str(piece.place),
        )

    def check(self, estimate: int) -> list[str]:
        self.store.check()
        free = self.store.free()
        if free is None or free >= estimate:
            return []
        text = (
            f"the shuffle's folder {self.url} has {format_size(free)} left, and the input has {format_size(estimate)}:"
            " unless much is combined, the disk will be full; point shuffle to another one"
        )
        return [text]

    def discard(self, receipts: Iterable[Receipt]) -> None:
        self.store.delete({piece.place: None for receipt in receipts for piece in receipt.pieces.values()})

    def sweep(self, attempts: Iterable[AttemptId]) -> None:
        attempts = list(attempts)
        self.store.delete(map(_key, attempts))
        for prefix in {f"{attempt.job}/shuffle/" for attempt in attempts}:
            self.store.sweep(prefix)


def _ranges(pieces: Sequence[Piece], longest: int) -> Iterator[Range]:
    """What to read for `pieces`: neighbours by one request, long ones by several."""
    key, start, end = "", 0, 0
    for piece in pieces:
        if piece.place != key or piece.start != end or piece.start + piece.size - start > longest:
            yield from _cut(key, start, end, longest)
            key, start = piece.place, piece.start
        end = piece.start + piece.size
    yield from _cut(key, start, end, longest)


def _cut(key: str, start: int, end: int, longest: int) -> Iterator[Range]:
    while start < end:
        yield Range(key, start, min(end, start + longest))
        start += longest


def _key(attempt: AttemptId) -> str:
    return f"{attempt.job}/shuffle/{attempt.round}/{attempt.task:05d}.{attempt.attempt}"
