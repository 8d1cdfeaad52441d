"""What a job gave."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal

from mapreduce.blocks import decode_block, read_frames
from mapreduce.errors import MapReduceError
from mapreduce.formats import OutputFormat
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from worker.output import Part, part_context

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    K = TypeVar("K", default=Any)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    K, V = TypeVar("K"), TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round did.

    Attributes:
        number: of the round in its job, from 0.
        kind: "map", "reduce", or "merge" between them, where the exchange had two levels.
        tasks: how many tasks it had.
        attempts: how many attempts were started; more than `tasks` where some failed.
        seconds: from its first attempt's start to its barrier.
        records_in: records that the winning attempts read.
        bytes_in: bytes of input, or of the shuffle, that they read.
        records_out: pairs that they wrote to the shuffle or the output.
        bytes_out: bytes of these pairs as written.
        spilled: bytes that went to local disk for lack of memory.
        peak_memory: the largest resident memory of a worker process until its task's end, in bytes.
        requests: requests of its winning attempts to stores, by kind.
    """

    number: int
    kind: Literal["map", "merge", "reduce"]
    tasks: int
    attempts: int
    seconds: float
    records_in: int
    bytes_in: int
    records_out: int
    bytes_out: int
    spilled: int
    peak_memory: int
    requests: dict[str, int]


class Result(Generic[K, V]):
    """An iterable of the job's (key, value) pairs, part by part, and what is known of how it went.

    Pairs are read from storage as they are iterated over, any number of times. Without an output
    folder they are the very objects that were yielded, and are deleted with the result: when it is
    closed, or forgotten. With one they are read back from its parts: text gives str, int, float, bool
    and None as they were, and an error for other types; JSON lines give what JSON gives.

    Attributes:
        job: id of the job.
        output: the output folder; "" without one.
        parts: the keys of the parts, in order; in `output`, or in the driver's storage.
        counters: user counters, of the attempts that won.
        rounds: what each round did.
        metrics: of the whole job: seconds, bytes, records and requests, by name.
    """

    def __init__(
        self,
        *,
        job: str,
        output: str,
        parts: Sequence[Part],
        counters: dict[str, int],
        rounds: tuple[Round, ...],
        metrics: dict[str, Any],
        store: ObjectStore,
        seal: Seal,
        output_format: OutputFormat,
        forget: Callable[[], None] | None,
    ) -> None:
        self.job = job
        self.output = output
        self.parts = tuple(part.key for part in parts)
        self.counters = counters
        self.rounds = rounds
        self.metrics = metrics
        self._parts = parts
        self._store = store
        self._seal = seal
        self._format = output_format
        self._finalizer = weakref.finalize(self, forget) if forget is not None else None

    def __iter__(self) -> Iterator[tuple[K, V]]:
        if self._finalizer is not None and not self._finalizer.alive:
            raise MapReduceError(f"the result of job {self.job} is closed: its pairs were deleted")
        for part in self._parts:
            if part.key:
                yield from self._read_formatted(part) if self.output else self._read_blocks(part)

    def close(self) -> None:
        """Delete the pairs, where they are not in an output folder."""
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self) -> Result[K, V]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        place = self.output or "no output folder"
        return f"<Result of job {self.job}: {self.metrics['records_out']} pairs in {len(self.parts)} parts, {place}>"

    def _read_blocks(self, part: Part) -> Iterator[tuple[Any, Any]]:
        with self._store.open(part.key) as stream:
            for number, data in enumerate(read_frames(stream, part.size, part.key)):
                block = decode_block(data, self._seal, part_context(part.key, number))
                yield from zip(block.keys, block.values, strict=True)

    def _read_formatted(self, part: Part) -> Iterator[tuple[Any, Any]]:
        with self._store.open(part.key) as stream:
            yield from self._format.decode(stream, part.detail, f"{self.output}/{part.key}")
