"""What one attempt works with."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, starmap
from typing import Any

from mapreduce.errors import MapReduceError
from mapreduce.formats import Segment
from mapreduce.objectstore import Access, ObjectStore, open_store
from mapreduce.objectstore.registry import open_object
from mapreduce.seal import Seal
from mapreduce.stages import Task
from shuffle import Receipt, ShuffleStore, open_shuffle
from shuffle.base import Partitioned
from worker.budget import Budget
from worker.code import Stages
from worker.layout import out_key, temporary_key
from worker.output import BlockPart, FormatPart, PartWriter
from worker.payload import Payload
from worker.tables import Pairs


@dataclass
class Context:
    """The payload of an attempt, opened up.

    Attributes:
        measured: what the attempt counts for its metrics: records, bytes and seconds.
        record: gives the repr of what user code was given last, for errors.
    """

    payload: Payload
    row: Any
    storage: ObjectStore
    access: Access
    seal: Seal
    stages: Stages
    task: Task
    budget: Budget
    measured: dict[str, Any] = field(default_factory=lambda: {"records_in": 0, "bytes_in": 0, "shuffle_seconds": 0.0})
    record: Callable[[], str] = lambda: ""
    stores: list[Any] = field(default_factory=list)

    def source(self, segment: Segment) -> tuple[ObjectStore, str]:
        """The store that holds a segment which is read from now on, and its object's key there."""
        self.task.source = segment.url
        store, key = open_object(segment.url, self.access)
        self.stores.append(store)
        self.measured["bytes_in"] += segment.end - segment.start
        return store, key

    def shuffle(self) -> ShuffleStore:
        """The job's shuffle store."""
        shuffle = open_shuffle(self.payload.shuffle, self.access, self.storage)
        shuffle.window = self.budget.window
        self.stores.append(shuffle)
        return shuffle

    def write(self, partitions: Iterable[Partitioned]) -> Receipt:
        """Write to the job's shuffle store what a map attempt made."""
        shuffle = self.shuffle()
        began = time.perf_counter()
        receipt = shuffle.write(self.payload.attempt, partitions)
        self.measured["shuffle_seconds"] += time.perf_counter() - began
        return receipt

    def part(self) -> PartWriter:
        """The attempt's part of the output."""
        job, round_number, task, attempt = self.payload.attempt
        if not self.payload.output:
            key = out_key(job, round_number, task, attempt)
            return BlockPart(self.storage, key, self.budget, self.seal)
        store = open_store(self.payload.output, "output", self.access)
        self.stores.append(store)
        return FormatPart(store, temporary_key(job, task, attempt), self.budget, self.stages.output_format)


@contextlib.contextmanager
def running(context: Context, stage: Any) -> Iterator[None]:
    """A stage between its setup and its teardown."""
    stage.task = context.task
    try:
        stage.setup()
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            stage.teardown()
        raise
    stage.teardown()


def feed(add: Callable[[Pairs], None], stage: Any, name: str, calls: Iterable[tuple[Any, ...]]) -> None:
    """Call the method `name` of `stage` with each of `calls` as arguments, and give all its pairs to `add`.

    Raises:
        TypeError: what the method yields cannot be taken for pairs.
    """
    try:
        add(chain.from_iterable(starmap(getattr(stage, name), calls)))
    except MapReduceError:
        raise  # it says itself what is wrong
    except (TypeError, ValueError) as error:
        if not _raised_here(error):
            raise
        raise TypeError(
            f"{error}: {type(stage).__name__}.{name} must yield (key, value) pairs, with keys that can be hashed and"
            " values that the combiner can combine"
        ) from error


def _raised_here(error: BaseException) -> bool:
    """Whether all frames of the error's traceback are this framework's, and none the user's."""
    import traceback

    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return all(str(frame.f_globals.get("__name__")).startswith(("worker.", "mapreduce.")) for frame in frames)


def short(value: object, limit: int = 300) -> str:
    """The repr of `value`, cut to about `limit` characters; an object whose repr fails is named by its type."""
    try:
        text = repr(value[: 2 * limit] if isinstance(value, str | bytes) else value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr fails: {error}>"
    return text if len(text) <= limit else text[: limit - 15] + " ...(cut short)"
