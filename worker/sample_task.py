"""A sample task: some places of the input, mapped as a map task would, of which only the keys are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, repeat
from typing import Any

from mapreduce.formats import Segment
from mapreduce.stages import Fold
from worker.context import Context, feed, running, short
from worker.map_task import pair, read_blocks_of_pairs, read_segment
from worker.output import Part, PartWriter
from worker.tables import Pairs, columns

# Pairs taken from user code at a time.
_SLICE = 8192


def run_sample(context: Context) -> Part:
    """Run the task; returns the part that holds the keys."""
    with context.part() as part:
        if context.stages.batched:
            from worker.batch.sampling import sample_batches

            sample_batches(context, part)
        else:
            _sample_pairs(context, part)
        return part.finish()


def combines(context: Context) -> bool:
    """Whether pairs of one key become one before they are shuffled: then how often it occurs tells nothing."""
    return context.stages.combiner is not None or isinstance(context.stages.reducer, Fold)


def unseen(keys: Iterable[Any], seen: set[Any]) -> list[Any]:
    """Those of `keys` that are not in `seen`, each once; adds them to it."""
    found = list(dict.fromkeys(key for key in keys if key not in seen))
    seen.update(found)
    return found


def _sample_pairs(context: Context, part: PartWriter) -> None:
    mapper: Any = context.stages.mapper
    seen: set[Any] = set()

    def add(pairs: Pairs) -> None:
        while some := list(islice(pairs, _SLICE)):
            keys, _ = columns(some)
            part.add(zip(unseen(keys, seen) if combines(context) else keys, repeat(None)))

    if mapper is None:
        for records in _records(context):
            add(map(pair, records))
        return
    with running(context, mapper):
        for records in _records(context):
            context.record = lambda: short(records)  # noqa: B023 - it is for this turn of the loop
            feed(add, mapper, "map", zip(records))
        context.record = str
        feed(add, mapper, "finish", [()])


def _records(context: Context) -> Iterator[list[Any]]:
    """The records of the task's places, in lists."""
    for kind, *fields, most in context.row:
        if kind == "segment":
            yield from first_records(read_segment(context, Segment(*fields)), most)
        else:
            yield from (spread(records, most) for records in read_blocks_of_pairs(context, *fields))


def first_records(lists: Iterable[Any], most: int) -> Iterator[Any]:
    """The first `most` records of these lists or batches, or all for 0; the last list is cut short."""
    left = most
    for records in lists:
        if not most or len(records) < left:
            yield records
            left -= len(records)
            continue
        yield records[:left]
        return


def spread(records: Any, most: int) -> Any:
    """About `most` of the records, evenly spread."""
    return records[:: max(1, len(records) // most)]
