"""Redis: memory of a client that writes and reads, against the bytes that it holds.

Each figure is that of two processes of their own, one with a single value and one with many: what the peaks of
their resident memory differ by, divided by what the bytes do. Whatever a client needs besides is in both.
"""

from __future__ import annotations

import multiprocessing
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.compare.places import Place
from benchmarks.compare.raw import Span, open_raw
from benchmarks.compare.workload import PHASES, make_block, open_plainly
from benchmarks.process import end_with_parent, peak_memory
from shuffle import AttemptId, Receipt
from shuffle.base import Partitioned

#: How many times the bytes that it holds a client may take.
TARGET = 1.3
#: Bytes of a value.
PIECE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of a client that holds all that it writes, or has read, in multiples of these bytes.

    Attributes:
        size: bytes that were written and read.
        store: of the shuffle store, by phase.
        alone: of redis-py's pipelines, by phase.
        difference: what did not come back; "" if all is right.
    """

    size: int
    store: dict[str, float]
    alone: dict[str, float]
    difference: str


class Way(Protocol):
    """Writes and reads values of `PIECE` bytes, all of which it holds."""

    def write(self, job: str, count: int) -> tuple[Any, int]:
        """Write so many; returns where they are, and their bytes."""

    def read(self, where: Any) -> int:
        """How many bytes come back."""

    def delete(self, where: Any) -> None:
        """Delete them."""


class Store:
    """The shuffle store."""

    def __init__(self, place: Place) -> None:
        self._store = open_plainly(place)

    def write(self, job: str, count: int) -> tuple[Receipt, int]:
        """See `Way`."""
        blocks = [make_block(PIECE, f"{job}/{number}") for number in range(count)]
        partitions = (Partitioned(number, 1, [block]) for number, block in enumerate(blocks))
        return self._store.write(AttemptId(job, 0, 0, 0), partitions), sum(map(len, blocks))

    def read(self, where: Receipt) -> int:
        """See `Way`."""
        held = [block for _, block in self._store.read(list(where.pieces.values()))]
        return sum(map(len, held))

    def delete(self, where: Receipt) -> None:
        """See `Way`."""
        self._store.discard([where])


class Alone:
    """The client library alone."""

    def __init__(self, place: Place) -> None:
        self._raw = open_raw(place)

    def write(self, job: str, count: int) -> tuple[list[Span], int]:
        """See `Way`."""
        items = [(f"{job}/{number}", make_block(PIECE, f"{job}/{number}")) for number in range(count)]
        self._raw.write(items)
        return [Span(key, 0, len(data)) for key, data in items], sum(len(data) for _, data in items)

    def read(self, where: Sequence[Span]) -> int:
        """See `Way`."""
        held = self._raw.read(where)
        return sum(map(len, held))

    def delete(self, where: Sequence[Span]) -> None:
        """See `Way`."""
        self._raw.delete([span.key for span in where])


#: Opens a way, in the process that goes it.
OpenWay = Callable[[Place], Way]


def footprint(place: Place, *, size: int, store: OpenWay = Store, alone: OpenWay = Alone) -> Footprint:
    """Write and read about `size` bytes in both ways.

    Raises:
        MapReduceError: the store failed.
    """
    count = max(2, size // PIECE)
    through, lost = _measure(store, place, count)
    plainly, lost_too = _measure(alone, place, count)
    return Footprint(size=count * PIECE, store=through, alone=plainly, difference=lost or lost_too)


def _measure(way: OpenWay, place: Place, count: int) -> tuple[dict[str, float], str]:
    """The figures of a way, by phase, and what did not come back."""
    job = f"compare-{secrets.token_hex(8)}"
    peaks: dict[str, list[int]] = {phase: [] for phase in PHASES}
    sizes = []
    difference = ""
    for number in (1, count):
        (where, size), peak = _in_a_process(way, place, "write", f"{job}-{number}", number)
        peaks["write"].append(peak)
        try:
            came, peak = _in_a_process(way, place, "read", where)
        finally:
            way(place).delete(where)
        peaks["read"].append(peak)
        sizes.append(size)
        if came != size:
            difference = f"{came:,} of {size:,} bytes came back to a client that holds them"
    one, many = sizes
    return {phase: (all_ - least) / (many - one) for phase, (least, all_) in peaks.items()}, difference


def _in_a_process(way: OpenWay, place: Place, act: str, *arguments: Any) -> tuple[Any, int]:
    """What an act gives, and the peak of the memory of the process that does nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_join) as pool:
        return pool.submit(_act, way, place, act, *arguments).result()


def _act(way: OpenWay, place: Place, act: str, *arguments: Any) -> tuple[Any, int]:
    return getattr(way(place), act)(*arguments), peak_memory()


def _join() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
