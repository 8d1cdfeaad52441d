"""What one core does: records made, summed up and validated, in bytes per second of its time.

`python -m benchmarks.sorting.speed [RECORDS] [RUNS]` prints a table.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.process import machine
from benchmarks.sheet import Sheet, rate
from benchmarks.sorting.cli import parse_count
from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.generator import generate
from benchmarks.sorting.layouts import RECORD
from benchmarks.sorting.records import Kind, blocks, records
from benchmarks.sorting.validator import summarize, validate

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KINDS = {
    "binary": Kind("binary"),
    "binary, skewed": Kind("binary", skewed=True),
    "ascii": Kind("ascii"),
    "ascii, skewed": Kind("ascii", skewed=True),
    "teragen": Kind("teragen"),
}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a piece of work took.

    Attributes:
        work: what it did.
        bytes: how much it did that to.
        cpu: seconds of the core, the least of all runs.
    """

    work: str
    bytes: int
    cpu: float


def run(count: int, runs: int) -> list[Speed]:
    """Time everything on one core, so many runs of each, with `count` records."""
    rows = records(0, count)
    ordered = rows[np.lexsort((_column(rows, 8, ">u2"), _column(rows, 0, ">u8")))]
    with tempfile.TemporaryDirectory() as folder:
        made, output = os.path.join(folder, "records"), os.path.join(folder, "sorted")
        ordered.tofile(output)
        works: dict[str, Callable[[], object]] = {f"make {name}": _making(count, kind) for name, kind in _KINDS.items()}
        works |= {
            "CRC-32 of each": lambda: checksum(rows),
            "... by zlib, list comprehension": lambda: _zlib_in_list(rows),
            "... by zlib, itertools": lambda: _zlib_in_itertools(rows),
            "validate in memory": lambda: summarize(ordered),
            "gensort to a file": lambda: generate(count, made, workers=1),
            "valsort of a sorted file": lambda: validate(output, workers=1),
        }
        return [Speed(work=name, bytes=rows.nbytes, cpu=_least(work, runs)) for name, work in works.items()]


def sheet(speeds: list[Speed]) -> Sheet:
    """A table of them."""
    table = Sheet("The sort benchmark's records on one core", ("", "a record", "bytes"))
    table.rows += [
        (one.work, f"{one.cpu / (one.bytes / RECORD) * 1e9:.0f} ns", rate(one.bytes, one.cpu)) for one in speeds
    ]
    table.notes.append(", ".join(f"{name} {value}" for name, value in machine().items()))
    return table


def _column(rows: NDArray[np.uint8], place: int, kind: str) -> NDArray[np.uint64]:
    column: NDArray[np.uint64] = rows[:, place : place + np.dtype(kind).itemsize].view(kind)[:, 0]
    return column


def _making(count: int, kind: Kind) -> Callable[[], None]:
    def make() -> None:
        for _ in blocks(0, count, kind):
            pass

    return make


def _zlib_in_list(rows: NDArray[np.uint8]) -> int:
    data = rows.data.cast("B")
    return sum([zlib.crc32(data[at : at + RECORD]) for at in range(0, len(data), RECORD)])


def _zlib_in_itertools(rows: NDArray[np.uint8]) -> int:
    return sum(itertools.starmap(zlib.crc32, struct.iter_unpack(f"{RECORD}s", rows.data.cast("B"))))


def _least(work: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    from rich.console import Console

    _count, _runs = (*sys.argv[1:], *("1M", "5")[len(sys.argv) - 1 :])
    sheet(run(parse_count(_count, "RECORDS"), int(_runs))).show(Console())
