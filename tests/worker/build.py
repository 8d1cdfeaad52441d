"""Jobs laid out in a store as the driver lays them out, for tests that start the attempts themselves."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Literal

import cloudpickle

from driver.commits import Commit, Failure, read_commit, read_failure
from driver.pickling import dumps
from driver.plan import piece_rows, write_plan
from mapreduce import Mapper
from mapreduce.blocks import decode_block
from mapreduce.formats import InputFormat, OutputFormat, Segment
from mapreduce.formats.pickled import PickleOutput
from mapreduce.keys import canonical
from mapreduce.objectstore import ObjectStore, open_store
from mapreduce.partition import HashPartitioner, Partitioner
from mapreduce.seal import Seal
from shuffle import AttemptId
from worker.attempt import Outcome, run_attempt
from worker.code import Stages
from worker.layout import code_key, plan_key
from worker.output import part_context
from worker.payload import Payload, Range

_names = itertools.count()


class Given(InputFormat[Any]):
    """An input that is given: split n reads the nth list of records, three at a time."""

    def __init__(self, splits: Sequence[Sequence[Any]]) -> None:
        self.splits = splits

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[Any]]:
        records = list(self.splits[segment.start])
        for start in range(0, len(records), 3):
            yield records[start : start + 3]


class Pairs(Mapper):
    """Yields records, which are pairs, as they are."""

    def map(self, record: Any) -> Iterator[Any]:
        yield record


class Memory:
    """Resident bytes by script: more than ever at each true item, as if memory had run out, and none at others."""

    def __init__(self, full: Iterable[bool] = ()) -> None:
        self._full = chain([False], full)  # the first look is at what is there already
        self._most = 0

    def __call__(self) -> int:
        if not next(self._full, False):
            return 0
        self._most += 1 << 40
        return self._most


def fresh() -> str:
    """URL of an empty store in memory."""
    return f"memory://build-{os.getpid()}-{next(_names)}"


def pickled(value: object) -> bytes:
    """`value` as the driver pickles it; classes of the tests by value, as if they were the script's."""
    ours = [module for name, module in list(sys.modules.items()) if name.startswith("tests.")]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        return dumps(value)
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


class Laid:
    """A job of one map round and, with a reducer, one reduce round, laid out in `storage`.

    Args:
        splits: records for each map task; those of the input format where one is given.
        partitions: of the shuffle; 0 for a job of maps alone.
        order: of the job, and so is `sort_values`; nothing is sampled, so one partition alone is in order.
        others: further fields of the payloads.
    """

    def __init__(
        self,
        splits: Sequence[Sequence[Any]] = (),
        *,
        mapper: Any = None,
        combiner: Callable[[Iterable[Any]], Any] | None = None,
        reducer: Any = None,
        partitioner: Partitioner = HashPartitioner(),  # noqa: B008 - it has no state
        output_format: OutputFormat | None = None,
        order: str | None = None,
        sort_values: Callable[[Any], Any] | bool | None = None,
        partitions: int = 2,
        storage: str = "",
        shuffle: str = "",
        bundle: bytes = b"",
        name: str = "",
        **others: Any,
    ) -> None:
        self.name = name or f"job-{next(_names)}"
        self.storage = open_store(storage or fresh())
        self.seal = Seal.fresh()
        self.partitions = partitions if reducer is not None else 0
        self.shuffle = (shuffle or self.storage.url) if self.partitions else ""
        formats = Given(splits), output_format or PickleOutput()
        stages = Stages(
            mapper or Pairs(), combiner, reducer, partitioner, *formats, order=order, sort_values=sort_values
        )
        self.code = self.put_code(pickled(stages))
        self.bundle = self.put_code(bundle) if bundle else ""
        rows = [[["segment", f"given/{task}", task, task + 1, 1]] for task in range(len(splits))]
        self._ranges = {0: write_plan(self.storage, self.seal, plan_key(self.name, 0, 0), rows)}
        self._others = {"output": "", "files": {}, "memory": 100_000_000, **others}

    def put_code(self, code: bytes) -> str:
        """Put a piece of code, sealed, into the storage."""
        key = code_key(self.name, hashlib.sha256(code).hexdigest())
        self.storage.put(key, self.seal.wrap(key, code))
        return key

    def payload(self, kind: Literal["map", "reduce"], task: int = 0, attempt: int = 0, **changed: Any) -> Payload:
        """The payload of an attempt."""
        number = 0 if kind == "map" else 1
        fields = {
            "attempt": AttemptId(self.name, number, task, attempt),
            "kind": kind,
            "secret": self.seal.secret.hex(),
            "storage": self.storage.url,
            "shuffle": self.shuffle,
            "partitions": self.partitions,
            "code": self.code,
            "bundle": self.bundle,
            "row": self._ranges[number][task],
            **self._others,
            **changed,
        }
        return Payload(**fields)

    def map(self, task: int = 0, attempt: int = 0, **changed: Any) -> Outcome:
        """Run an attempt at a map task."""
        return run_attempt(self.payload("map", task, attempt, **changed))

    def reduce(self, task: int = 0, attempt: int = 0, **changed: Any) -> Outcome:
        """Run an attempt at a reduce task."""
        return run_attempt(self.payload("reduce", task, attempt, **changed))

    @property
    def tasks(self) -> int:
        """How many map tasks there are."""
        return len(self._ranges[0])

    def rows(self) -> list[list[list[Any]]]:
        """What each reduce task reads, by the commits of the maps."""
        return piece_rows([self.commit(0, task) for task in range(self.tasks)], self.partitions)

    def plan_reduce(self, rows: Sequence[Any] | None = None) -> list[Range]:
        """Cross the barrier between maps and reduces."""
        key = plan_key(self.name, 1, 0)
        ranges = write_plan(self.storage, self.seal, key, self.rows() if rows is None else rows)
        self._ranges[1] = ranges
        return ranges

    def run(self) -> list[Any]:
        """Run every task once; returns the pairs of the output, part by part."""
        for task in range(self.tasks):
            assert self.map(task) == "committed", self.failure(0, task)
        if not self.partitions:
            return [pair for task in range(self.tasks) for pair in self.part(0, task)]
        self.plan_reduce()
        for task in range(self.partitions):
            assert self.reduce(task) == "committed", self.failure(1, task)
        return [pair for task in range(self.partitions) for pair in self.part(1, task)]

    def commit(self, round: int, task: int = 0) -> Commit:
        """A task's commit record."""
        return read_commit(self.storage, self.seal, self.name, round, task)

    def failure(self, round: int, task: int = 0, attempt: int = 0) -> Failure:
        """Why an attempt failed."""
        return read_failure(self.storage, self.seal, AttemptId(self.name, round, task, attempt), "")

    def part(self, round: int, task: int = 0) -> list[Any]:
        """The pairs of the part that a task wrote, which stays with the job."""
        part = self.commit(round, task).part
        assert part is not None
        pairs: list[Any] = []
        start = 0
        for number, size in enumerate(part.blocks):
            data = self.storage.get(part.key, start, start + size)
            pairs += zip(*decode_block(data, self.seal, part_context(part.key, number)), strict=True)
            start += size
        assert (start, len(pairs)) == (part.size, part.records)
        return pairs

    def names(self, prefix: str = "") -> set[str]:
        """The keys in the storage that begin so."""
        return {info.key for info in self.storage.list(prefix)}


def ordered(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    """`pairs` in one order, whatever order they came in; keys shown with their types."""
    return sorted(pairs, key=lambda pair: (canonical(pair[0]), repr(pair)))
