"""The sort benchmark's validator: order, duplicates and checksum of records in any number of files."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.layouts import KEY, RECORD
from benchmarks.sorting.pool import check_workers, work
from benchmarks.sorting.summary import SHOWN, Misplaced, Summary
from driver.inputs import Inputs, find_inputs
from mapreduce.errors import InputError
from mapreduce.objectstore import Access
from mapreduce.objectstore.registry import open_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 16384  # records
_RANGE = 500_000  # records of one task, at least; for one alone no process is started
_TASKS = 10_000  # at most, roughly


class Place(NamedTuple):
    """Where a record lies: a file, and how many records are before it there."""

    url: str
    record: int


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was found in a sequence of files.

    Attributes:
        total: of all records.
        parts: of the records of each file, by URL, in order.
    """

    total: Summary
    parts: dict[str, Summary]

    @property
    def in_order(self) -> bool:
        """Whether no record's key is less than that of the one before."""
        return not self.total.unordered

    def difference(self, records: int, checksum: int) -> str:
        """How it differs from so many records, sorted, of this checksum.

        Returns:
            A sentence; "" if it does not.
        """
        total = self.total
        if not self.in_order:
            first = total.misplaced[0].index
            return f"the output is wrong: {total.unordered} records are out of order, the first of them record {first}"
        if (total.records, total.checksum) != (records, checksum):
            return (
                f"the output is wrong: {total.records} records of checksum {total.checksum:x}, for {records} of"
                f" checksum {checksum:x}"
            )
        return ""

    def place(self, index: int) -> Place:
        """Where the record of this index among all records lies.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= index < self.total.records:
            raise IndexError(f"there is no record {index} among {self.total.records}")
        part = bisect_right(self._ends, index)
        url, summary = list(self.parts.items())[part]
        return Place(url, index - (self._ends[part] - summary.records))

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(part.records for part in self.parts.values()))


class _Range(NamedTuple):
    """Records of a file that one task reads."""

    url: str
    first: int
    end: int
    access: Access | None


def validate(paths: Inputs, workers: int | None = None, access: Access | None = None) -> Validation:
    """Look at the records of files, in the order given; those of a folder or glob in the order of names.

    Args:
        paths: files, folders, globs, or URLs of an object store.
        workers: processes; by default one for each processor.
        access: how an object store is reached.

    Raises:
        InputError: nothing is there, it cannot be read, or a file's length is no multiple of a record's.
    """
    files = find_inputs(paths, access)
    for file in files:
        if file.size % RECORD:
            raise InputError(
                f"{file.url} has {file.size} bytes, which are no whole number of records of {RECORD} bytes:"
                f" {file.size % RECORD} are left"
            )
    counts = [file.size // RECORD for file in files]
    workers = check_workers(workers)
    size = max(_RANGE, -(-sum(counts) // _TASKS))
    ranges = [
        _Range(file.url, first, min(first + size, count), access)
        for file, count in zip(files, counts, strict=True)
        for first in range(0, count, size)
    ]
    parts = {file.url: Summary() for file in files}
    summaries = work(_summarize, ranges, workers if sum(counts) > size else 1)
    for task, found in zip(ranges, summaries, strict=True):
        parts[task.url] += found
    return Validation(total=sum(parts.values(), Summary()), parts=parts)


def summarize(rows: NDArray[np.uint8]) -> Summary:
    """The summary of records in memory, of shape (n, 100)."""
    if not len(rows):
        return Summary()
    head = rows[:, :8].view(">u8")[:, 0].astype(np.uint64)
    # Most keys differ in their first eight bytes, so few tails are looked at.
    doubtful = np.flatnonzero(head[1:] <= head[:-1]) + 1
    before, here = head[doubtful - 1], head[doubtful]
    tail_before, tail = _tails(rows, doubtful - 1), _tails(rows, doubtful)
    equal = (here == before) & (tail == tail_before)
    falls = doubtful[(here < before) | (here == before) & (tail < tail_before)]
    keys = [(int(index), rows[index, :KEY].tobytes(), rows[index - 1, :KEY].tobytes()) for index in falls[:SHOWN]]
    return Summary(
        records=len(rows),
        checksum=checksum(rows),
        duplicates=int(np.count_nonzero(equal)),
        unordered=len(falls),
        misplaced=tuple(Misplaced(*key) for key in keys),
        first=rows[0, :KEY].tobytes(),
        last=rows[-1, :KEY].tobytes(),
    )


def _tails(rows: NDArray[np.uint8], which: NDArray[np.intp]) -> NDArray[np.uint16]:
    """The last two bytes of keys."""
    tails: NDArray[np.uint16] = rows[which, 8:KEY].view(">u2")[:, 0]
    return tails


def _summarize(task: _Range) -> Summary:
    store, key = open_object(task.url, task.access)
    total = Summary()
    with store.open(key, task.first * RECORD, task.end * RECORD) as stream:
        for first in range(task.first, task.end, _AT_ONCE):
            count = min(_AT_ONCE, task.end - first)
            data = _read(stream, count * RECORD, task.url)
            total += summarize(np.frombuffer(data, np.uint8).reshape(count, RECORD))
    return total


def _read(stream: BinaryIO, size: int, url: str) -> bytes:
    """So many bytes, in one piece."""
    data = stream.read(size)
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise InputError(f"{url} became shorter while it was read")
        data += more
    return data
