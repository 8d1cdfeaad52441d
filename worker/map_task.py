"""A map task: a split's records, mapped, combined, partitioned and written to the shuffle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from operator import length_hint
from typing import Any

from mapreduce.batches import rows_of
from mapreduce.blocks import Block, decode_block, read_frames
from mapreduce.formats import Segment
from mapreduce.stages import Fold
from shuffle.base import Receipt
from worker.budget import Pace
from worker.context import Context, feed, running, short
from worker.output import Part, part_context
from worker.sinks import CombiningSink, PartitionedBlocks, PlainSink, Sink, flush
from worker.tables import Pairs, mapping_table
from worker.words import count_words, counts_words

# Records given to user code before memory is looked at.
_LOOK = 1024


def run_map(context: Context) -> tuple[Receipt | None, Part | None]:
    """Run the task; returns what it wrote to the shuffle, or the part that it wrote without one."""
    if context.payload.partitions == 0:
        with context.part() as part:
            _map(context, part.add)
            return None, part.finish()
    sink = record_sink(context)
    reducer = context.stages.reducer
    # A fold works here already, and may need its setup.
    with running(context, reducer) if isinstance(reducer, Fold) else nullcontext():
        _map(context, sink.add, sink)
    return context.write(sink.finish()), None


def record_sink(context: Context) -> Sink:
    """Where pairs go that are taken one by one."""
    payload, stages = context.payload, context.stages
    blocks = PartitionedBlocks(stages.partitioner, payload.partitions, context.seal, payload.attempt, context.budget)
    table = mapping_table(context.budget, lambda table: flush(table, blocks), stages.combiner, stages.reducer)
    if table is None:
        return PlainSink(blocks, context.budget, payload.partitions)
    return CombiningSink(table, blocks)


def _map(context: Context, add: Callable[[Pairs], None], sink: Sink | None = None) -> None:
    mapper: Any = context.stages.mapper
    if mapper is None:
        for records in records_of(context):
            add(map(pair, records))
        return
    with running(context, mapper):
        if sink is not None and counts_words(context):
            count_words(context, sink)
        else:
            _map_records(context, add, sink)
        feed(add, mapper, "finish", [()])


def _map_records(context: Context, add: Callable[[Pairs], None], sink: Sink | None) -> None:
    mapper: Any = context.stages.mapper
    adding = sink.adding(mapper, context.stages.fused) if sink is not None else None
    for records in _slices(context, records_of(context)):
        items = iter(records)
        context.record = lambda: _current(records, items)  # noqa: B023 - it is for this turn of the loop
        if adding is not None:
            adding(items)
        else:
            feed(add, mapper, "map", zip(items))
        context.record = str  # an error of the next reading is not this record's


def _slices(context: Context, lists: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """The records of `lists` in lists so short that a sink looks at memory between them in time."""
    pace = Pace(context.budget, _LOOK)
    for records in lists:
        start = 0
        while start < len(records):
            end = start + pace.step
            yield records[start:end]
            pace.over()
            start = end


def _current(records: list[Any], items: Iterator[Any]) -> str:
    """The record that the mapper was given last."""
    return short(records[len(records) - length_hint(items) - 1])


def pair(record: Any) -> tuple[Any, Any]:
    """A record of a job without a mapper."""
    if isinstance(record, tuple | list) and len(record) == 2:
        return record[0], record[1]
    raise TypeError(
        f"a job without a mapper needs (key, value) pairs as records, not {short(record)}; give it a mapper, or another"
        " input_format"
    )


def records_of(context: Context) -> Iterator[list[Any]]:
    """The split's records in lists, whatever the split consists of."""
    for kind, *fields in context.row:
        if kind == "segment":
            yield from read_segment(context, Segment(*fields))
        else:
            yield from read_blocks_of_pairs(context, *fields)


def read_segment(context: Context, segment: Segment) -> Iterator[list[Any]]:
    """The records of a segment, in lists."""
    for records in context.stages.input_format.read(segment, *context.source(segment)):
        context.measured["records_in"] += len(records)
        yield records


def read_blocks_of_pairs(context: Context, *fields: Any) -> Iterator[list[Any]]:
    """The pairs of `read_blocks`, in lists."""
    for keys, values in read_blocks(context, *fields):
        yield list(zip(rows_of(keys), rows_of(values), strict=True))


def read_blocks(context: Context, key: str, first: int, start: int, end: int) -> Iterator[Block]:
    """Pairs that a round before wrote: the blocks from number `first` on, bytes `start` to `end` of `key`."""
    context.measured["bytes_in"] += end - start
    with context.storage.open(key, start, end) as stream:
        for number, data in enumerate(read_frames(stream, end - start, key), first):
            block = decode_block(data, context.seal, part_context(key, number))
            context.measured["records_in"] += len(block.keys)
            yield block
