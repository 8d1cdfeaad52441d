"""A map task in batches: what the mapper yields for each is scattered to the partitions, array by array."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np

from mapreduce.arrays.keys import Array
from mapreduce.arrow.columns import is_arrow
from mapreduce.batches import ARRAYS, rows_of
from mapreduce.blocks import Block
from mapreduce.formats import Segment
from mapreduce.job import array_combiner
from mapreduce.partition import partition_array
from mapreduce.stages import Fold, Reducer
from shuffle import Receipt, open_shuffle
from worker.batch.arena import Arena
from worker.batch.columns import any_block, array_block, take_block, yielded
from worker.batch.scratch import scratch
from worker.batch.sorting import combine
from worker.code import Stages
from worker.context import Context, running, short
from worker.map_task import read_blocks, record_sink
from worker.output import Part
from worker.sinks import Sink

#: Takes a block, and the name of who yielded it.
Take = Callable[[Any, str], None]
#: Takes, for a partition, the records of a block at some places.
Put = Callable[[int, Block, Array], None]


def run_batch_map(context: Context) -> tuple[Receipt | None, Part | None]:
    """Run the task; returns what it wrote to the shuffle, or the part that it wrote without one."""
    if context.payload.partitions == 0:
        with context.part() as part:
            _map(context, lambda block, stage: part.add_block(any_block(block, stage)))
            return None, part.finish()
    reducer = context.stages.reducer
    if isinstance(reducer, ARRAYS):
        near = open_shuffle(context.payload.shuffle, context.access, context.storage).near
        with scratch(_memory(context)) as memory:
            arena = Arena(memory, context.seal, context.payload.attempt, context.budget, compress=not near)
            _map(context, Scatter(context, arena.add).add)
            return context.write(arena.finish()), None
    sink = record_sink(context)
    scatter = Scatter(context, _sharing(sink)) if _keeps_arrow(context.stages) else None

    def add(block: Any, stage: str) -> None:
        keys, values = found = any_block(block, stage)
        if scatter is not None and is_arrow(keys):
            scatter.add(found, stage)
        else:
            sink.add(zip(rows_of(keys), rows_of(values), strict=True))

    with running(context, reducer) if isinstance(reducer, Fold) else nullcontext():
        _map(context, add)
    return context.write(sink.finish()), None


def _keeps_arrow(stages: Stages) -> bool:
    """Whether columns of Arrow can stay columns until a reducer takes them as pairs."""
    # A Fold has work to do on each value first; other combiners, and partitioners, take Python's objects.
    return (
        isinstance(stages.reducer, Reducer)
        and hasattr(stages.partitioner, "partition_array")
        and stages.combiner in (None, sum, operator.add, min, max)
    )


def _sharing(sink: Sink) -> Put:
    """What puts records into a sink."""
    return lambda partition, whole, order: sink.add_share(partition, *take_block(whole, order))


def _map(context: Context, give: Take) -> None:
    mapper: Any = context.stages.mapper
    batches = batches_of(context)
    if mapper is None:
        # Nothing here may hold on to a batch when the next is asked for: see `FixedInput`.
        any(map(give, batches, iter(lambda: "the input", None)))
        return
    name = f"{type(mapper).__name__}.map_batch"
    with running(context, mapper):

        def run(batch: Any) -> None:
            context.record = lambda: short(batch)
            for block in yielded(mapper.map_batch(batch), name):
                give(block, name)
            context.record = str  # an error of the next reading is not this batch's

        any(map(run, batches))
        end = f"{type(mapper).__name__}.finish"
        for block in yielded(mapper.finish(), end):
            give(block, end)


def batches_of(context: Context) -> Iterator[Any]:
    """The split's batches, whatever the split consists of."""
    for kind, *fields in context.row:
        yield from read_batches(context, Segment(*fields)) if kind == "segment" else read_blocks(context, *fields)


def read_batches(context: Context, segment: Segment) -> Iterator[Any]:
    """The batches of a segment."""

    def counted(batch: Any) -> Any:
        context.measured["records_in"] += _records(batch)
        return batch

    return map(counted, context.stages.input_format.batches(segment, *context.source(segment)))


def _records(batch: Any) -> int:
    """How many records a batch holds: lines, where it is bytes."""
    if isinstance(batch, bytes):
        return batch.count(b"\n") + (not batch.endswith(b"\n"))
    return len(batch.keys if isinstance(batch, Block) else batch)


def _memory(context: Context) -> int:
    """Bytes for the task's blocks: what its split comes to, if that is not too much."""
    size: int = sum(entry[3] - entry[2] if entry[0] == "segment" else entry[4] - entry[3] for entry in context.row)
    return max(1 << 20, min(size + size // 16 + (1 << 20), context.budget.room // 3))


class Scatter:
    """Cuts blocks of arrays into partitions: the partition of each key, a stable sort by that, one gather.

    Args:
        context: of the attempt.
        put: takes each partition's share of a block.
    """

    def __init__(self, context: Context, put: Put) -> None:
        stages, payload = context.stages, context.payload
        self._partitioner = stages.partitioner
        self._partitions = payload.partitions
        self._combiner = None if stages.combiner is None else array_combiner(stages.combiner)
        self._put = put
        self._size = context.budget.block

    def add(self, block: Any, stage: str) -> None:
        """Take in a block that `stage` yielded."""
        whole = array_block(block, stage)
        if self._combiner is not None:
            whole = combine(self._combiner, whole)
        if not len(whole.keys):
            return
        found = partition_array(self._partitioner, whole.keys, self._partitions)
        small = found.astype(np.min_scalar_type(self._partitions - 1), copy=False)  # so that sorting is by radix
        order = np.argsort(small, kind="stable")
        step, end = self._step(whole), 0
        for partition, count in enumerate(np.bincount(small, minlength=self._partitions).tolist()):
            start, end = end, end + count
            for begin in range(start, end, step):
                self._put(partition, whole, order[begin : min(end, begin + step)])

    def _step(self, whole: Block) -> int:
        """How many records of `whole` to put into a block, at most: all but of Arrow, which is copied on the way."""
        if not is_arrow(whole.values):
            return len(whole.keys)
        size: int = whole.keys.nbytes + whole.values.nbytes
        return max(1, len(whole.keys) * self._size // max(1, size))
