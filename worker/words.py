"""A map task that counts words by arrays, where `driver.fusion` saw that its mapper does nothing else."""

from __future__ import annotations

import codecs
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mapreduce.formats import Segment
from mapreduce.formats.lines import decode_lines, line_chunks
from mapreduce.formats.text import TextInput
from mapreduce.partition import HashPartitioner
from worker.budget import release
from worker.context import Context
from worker.sinks import Sink

if TYPE_CHECKING:
    from mapreduce.arrays.words import Counted, WordCounts

# Bytes of input below which NumPy's import takes longer than it saves.
_LEAST = 8 << 20
# Bytes by which the process must be allowed to grow: what arrays take before memory is looked at.
_ROOM = 96 << 20
# Bytes of a block, for each of its words: about what one takes there.
_WORD = 16


def counts_words(context: Context) -> bool:
    """Whether the attempt's map task only counts the words of text, and enough of them."""
    fused, text = context.stages.fused, context.stages.input_format
    return (
        fused is not None
        and fused.words is not None
        and type(text) is TextInput
        and codecs.lookup(text.encoding).name == "utf-8"
        and text.errors == "strict"
        and all(entry[0] == "segment" for entry in context.row)
        and sum(entry[3] - entry[2] for entry in context.row) >= _LEAST
        and context.budget.room >= _ROOM
        and fused.fits(context.stages.mapper)
        and importlib.util.find_spec("numpy") is not None  # a function of AWS has it only where it was asked for
    )


def count_words(context: Context, sink: Sink) -> None:
    """Run the mapper's part of the task, all but its `setup`, `finish` and `teardown`."""
    from mapreduce.arrays.words import TEXT, WordCounts

    fused = context.stages.fused
    assert fused is not None
    change = _changing(fused.words)
    counts = WordCounts()
    for _, *fields in context.row:
        segment = Segment(*fields)
        for offset, run in line_chunks(segment, *context.source(segment), TEXT):
            try:
                lines = counts.add(change(run))
            except UnicodeDecodeError:
                decode_lines(offset, run, "utf-8", "strict", segment.url)  # which tells the place
                raise
            context.measured["records_in"] += lines + (not run.endswith(b"\n"))
            if context.budget.over():
                _flush(counts, context, sink)
                release()
    _flush(counts, context, sink)


def _changing(method: str | None) -> Callable[[bytes], bytes]:
    """What makes of text in UTF-8 what a method of str makes of it."""
    if not method:
        return bytes
    ascii_too = {"casefold": bytes.lower, "lower": bytes.lower, "upper": bytes.upper}[method]
    change = getattr(str, method)
    return lambda text: ascii_too(text) if text.isascii() else change(text.decode()).encode()


def _flush(counts: WordCounts, context: Context, sink: Sink) -> None:
    """Move the counts to the partitions."""
    for counted in counts.take():
        if type(context.stages.partitioner) is HashPartitioner:
            _share(counted, context, sink)
        else:
            sink.add_columns(*counted.take(slice(None)))
    sink.add_columns(counts.others.keys(), counts.others.values())
    counts.others.clear()


def _share(counted: Counted, context: Context, sink: Sink) -> None:
    """Cut words into partitions, and these into blocks."""
    import numpy as np

    partitions = context.payload.partitions
    found = counted.partitions(partitions).astype(np.min_scalar_type(partitions - 1), copy=False)
    order: Any = np.argsort(found, kind="stable")  # of such small integers, by radix
    step, end = max(1, context.budget.block // _WORD), 0
    for partition, count in enumerate(np.bincount(found, minlength=partitions).tolist()):
        start, end = end, end + count
        for begin in range(start, end, step):
            sink.add_share(partition, *counted.take(order[begin : min(end, begin + step)]))
