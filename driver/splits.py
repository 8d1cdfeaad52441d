"""Split planning: which task reads what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from driver.inputs import InputFile
from mapreduce.formats import InputFormat, Segment

# A cut this close to a file's end, as a share of the split, moves there: a file is rather read whole.
_SLACK = 0.1


def plan_splits(
    files: Sequence[InputFile], input_format: InputFormat[Any], split_size: int, workers: int
) -> list[list[Segment]]:
    """Splits of about equal size, each a list of segments.

    The files are taken as one line of bytes and cut into equal pieces of at most `split_size`; so
    many small files share a split, and a large one is cut. While the pieces are few, their number is
    a multiple of `workers`, so that nobody waits for a last straggler.

    Args:
        files: the input.
        input_format: tells which of the files may be cut.
        split_size: bytes, at most, in one split, but for files that may not be cut.
        workers: how many tasks run at once.
    """
    total = sum(file.size for file in files)
    count = max(1, -(-total // split_size))
    if count < 4 * workers:
        count = -(-count // workers) * workers
    size = max(1, -(-total // count))
    splits: list[list[Segment]] = []
    current: list[Segment] = []
    room = size
    for file in files:
        cuttable = input_format.can_split(file.url)
        start = 0
        while True:
            left = file.size - start
            take = left if not cuttable or left <= room + _SLACK * size else room
            if current and (take <= 0 or (not cuttable and left > room)) and left > 0:
                # No room for what may not be cut: it begins a split of its own.
                splits.append(current)
                current, room = [], size
                continue
            current.append(Segment(file.url, start, start + take, file.size))
            room -= take
            start += take
            if room <= 0:
                splits.append(current)
                current, room = [], size
            if start >= file.size:
                break
    if current:
        splits.append(current)
    return splits


def width(size: int, share: int, workers: int) -> int:
    """How many attempts to plan for at once.

    Args:
        size: bytes to read.
        share: bytes, at least, for each attempt; 0 where as many as possible are to share the work.
        workers: how many can run at once.
    """
    return max(1, min(workers, -(-size // share))) if share else workers
