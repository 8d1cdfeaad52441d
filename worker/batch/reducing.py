"""A reduce task over arrays: a partition's blocks, sorted where that is needed, grouped where that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from mapreduce.batches import BatchReducer, Groups
from mapreduce.blocks import Block
from shuffle.base import Piece
from worker.batch.columns import any_block, array_block, yielded
from worker.batch.scratch import scratch
from worker.batch.sorting import Sorter, groups_of
from worker.context import Context, running, short
from worker.output import Part, PartWriter
from worker.reduce_task import shuffled_blocks


def run_batch_reduce(context: Context) -> Part:
    """Run the task; returns the part that it wrote."""
    reducer: Any = context.stages.reducer
    with ExitStack() as stack:
        blocks = _ordered(context, stack)
        stack.enter_context(running(context, reducer))
        part = stack.enter_context(context.part())
        if isinstance(reducer, BatchReducer):
            for groups in groups_of(blocks, context.budget.room // 4):
                context.record = lambda: short(groups[0])  # noqa: B023 - it is for this turn of the loop
                _write(part, reducer, "reduce_batch", reducer.reduce_batch(Groups(*groups)))
        else:
            # Nothing here may hold on to a block when the next is asked for: see `Gather`.
            any(map(lambda block: _write(part, reducer, "reduce_block", reducer.reduce_block(block)), blocks))  # noqa: C417
        context.record = str
        _write(part, reducer, "finish", reducer.finish())
        return part.finish()


def _ordered(context: Context, stack: ExitStack) -> Iterator[Block]:
    """The partition's records in blocks: sorted, unless nobody asks for an order."""
    stages = context.stages
    blocks = (array_block(block, "a map task") for block in shuffled_blocks(context))
    if stages.order is None and not isinstance(stages.reducer, BatchReducer):
        return blocks
    size = sum(Piece(*fields).size for fields in context.row)
    memory = stack.enter_context(scratch(max(1 << 16, min(size + (1 << 12), context.budget.room * 2 // 5))))
    sorter = Sorter(context.seal, context.budget, memory, stages.sort_values)
    for block in blocks:
        sorter.add(block)
    return sorter.sorted()


def _write(part: PartWriter, reducer: Any, method: str, blocks: Iterable[Any]) -> None:
    name = f"{type(reducer).__name__}.{method}"
    for block in yielded(blocks, name):
        part.add_block(any_block(block, name))
