"""A sample task in batches."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np

from mapreduce.arrow.columns import is_arrow
from mapreduce.batches import rows_of
from mapreduce.blocks import Block
from mapreduce.formats import Segment
from worker.batch.columns import any_block, array_block, yielded
from worker.batch.mapping import read_batches
from worker.batch.sorting import combine
from worker.context import Context, running, short
from worker.map_task import read_blocks
from worker.output import PartWriter
from worker.sample_task import combines, spread, unseen


def sample_batches(context: Context, part: PartWriter) -> None:
    """Map the task's places in batches, and write the keys of what the mapper yields."""
    mapper: Any = context.stages.mapper
    seen: set[Any] = set()

    def give(block: Any, stage: str) -> None:
        keys, values = any_block(block, stage)
        if not isinstance(keys, np.ndarray):
            if is_arrow(keys):
                keys = rows_of(array_block(Block(keys, values), stage).keys)
            part.add(zip(unseen(keys, seen) if combines(context) else keys, repeat(None)))
            return
        found = array_block(Block(keys, values), stage).keys
        if combines(context):
            found = combine(np.add, Block(found, np.zeros(len(found), np.uint8))).keys
        part.add_block(Block(np.ascontiguousarray(found), np.zeros(len(found), np.uint8)))

    if mapper is None:
        for batch in _batches(context):
            give(batch, "the input")
        return
    name, end = (f"{type(mapper).__name__}.{method}" for method in ("map_batch", "finish"))
    with running(context, mapper):
        for batch in _batches(context):
            context.record = lambda: short(batch)  # noqa: B023 - it is for this turn of the loop
            for block in yielded(mapper.map_batch(batch), name):
                give(block, name)
        context.record = str
        for block in yielded(mapper.finish(), end):
            give(block, end)


def _batches(context: Context) -> Any:
    """The batches of the task's places."""
    for kind, *fields, most in context.row:
        if kind == "segment":
            left = most
            for batch in read_batches(context, Segment(*fields)):
                if most and is_arrow(batch):
                    batch = spread(batch, left)  # noqa: PLW2901 - the rest is not looked at
                yield batch
                left -= len(batch.keys if isinstance(batch, Block) else batch)
                if most and left <= 0:
                    break
        else:
            for keys, values in read_blocks(context, *fields):
                yield Block(spread(keys, most), spread(values, most))
