"""A reduce task: a partition's blocks, grouped by key, reduced, and written as a part of the output."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import reduce as fold
from itertools import islice
from operator import length_hint
from typing import Any, TypeVar

from mapreduce.batches import rows_of
from mapreduce.blocks import Block, decode_block
from mapreduce.errors import BlockError, LostBlocks
from mapreduce.stages import Fold, Reducer
from shuffle.base import AttemptId, Piece
from worker.budget import release
from worker.context import Context, feed, running, short
from worker.output import Part
from worker.sinks import block_context
from worker.spill import Ordering, Runs
from worker.tables import Table, reducing_table

T = TypeVar("T")


def run_reduce(context: Context) -> Part:
    """Run the task; returns the part that it wrote."""
    stages = context.stages
    reducer = stages.reducer
    assert reducer is not None
    ordering = Ordering(natural=stages.order is not None, sort_values=stages.sort_values)
    runs = Runs(context.seal, context.budget, ordering)

    def spill(table: Table) -> None:
        runs.add(table.pairs(ordering))
        table.clear()
        release()

    table = reducing_table(context.budget, spill, stages.combiner, reducer)
    with ExitStack() as stack:
        if isinstance(reducer, Fold):  # it merges while it groups
            stack.enter_context(running(context, reducer))
        for keys, values in shuffled_blocks(context):
            table.add_columns(rows_of(keys), rows_of(values))
            table.look()
        if runs:
            spill(table)
        groups = _merged(context, runs) if runs else _grouped(context, table, ordering)
        if isinstance(reducer, Reducer):
            stack.enter_context(running(context, reducer))
        part = stack.enter_context(context.part())
        if isinstance(reducer, Fold):
            merge = reducer.merge
            feed(part.add, reducer, "result", ((key, fold(merge, totals)) for key, totals in groups))
        else:
            feed(part.add, reducer, "reduce", groups)
        context.record = str
        feed(part.add, reducer, "finish", [()])
        return part.finish()


def _grouped(context: Context, table: Table, ordering: Ordering) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The groups of `table`, while errors can tell which key is being reduced."""
    if ordering.natural:
        table.sort(ordering)
    keys = iter(table.entries)
    context.record = lambda: _latest(table.entries, keys)
    if ordering.by is not None:
        return ((key, iter(ordering.values(list(values)))) for key, values in zip(keys, table.values(), strict=True))
    return zip(keys, table.values(), strict=True)


def _latest(entries: dict[Any, Any], keys: Iterator[Any]) -> str:
    """The key that was taken from `keys` last."""
    taken = len(entries) - length_hint(keys)
    return "".join(map(short, islice(entries, max(0, taken - 1), taken)))


def _merged(context: Context, runs: Runs) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The groups of `runs`, while errors can tell which key is being reduced."""
    key = None
    context.record = lambda: short(key)
    for key, values in runs.groups():
        yield key, values


def _timed(context: Context, blocks: Iterator[T]) -> Iterator[T]:
    """`blocks`, while the time is measured that each is waited for."""
    began = time.perf_counter()
    for block in blocks:
        context.measured["shuffle_seconds"] += time.perf_counter() - began
        yield block
        began = time.perf_counter()


def shuffled_blocks(context: Context) -> Iterator[Block]:
    """The partition's blocks, in the order of the map tasks.

    Raises:
        LostBlocks: some are missing or damaged.
    """
    payload = context.payload
    job, round_number, partition, _ = payload.attempt
    pieces = [Piece(*fields) for fields in context.row]
    seen: Counter[int] = Counter()
    for piece, data in _timed(context, context.shuffle().read(pieces)):
        source = AttemptId(job, round_number - 1, piece.task, piece.attempt)
        try:
            block = decode_block(data, context.seal, block_context(source, partition, seen[piece.task]))
        except BlockError as error:
            raise LostBlocks(str(error), (piece.task,)) from error
        seen[piece.task] += 1
        context.measured["records_in"] += len(block.keys)
        context.measured["bytes_in"] += len(data)
        yield block
    for piece in pieces:
        if (count := seen[piece.task]) != piece.blocks:
            raise LostBlocks(f"map task {piece.task} wrote {piece.blocks} blocks, {count} were found", (piece.task,))
