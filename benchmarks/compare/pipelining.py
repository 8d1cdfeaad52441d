"""Redis: small values through pipelines and through the shuffle store, against one at a time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.compare.crew import Crew
from benchmarks.compare.places import Place
from benchmarks.compare.raw import RawRedis, Span
from benchmarks.compare.workload import Shape, exchange

#: How many times as fast as one value at a time pipelines should be.
TARGET = 5.0
#: Bytes of a value.
SIZE = 1_000
#: Map tasks, and partitions: as many values as the square of it.
SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Pipelining:
    """Seconds for writing and reading all values, by one process.

    Attributes:
        values: how many there are.
        single: one SET, or GET, after the other.
        pipelined: by redis-py's pipelines.
        store: by a shuffle with pieces of that size.
        difference: what a reducer got that it should not have got; "" if all is right.
    """

    values: int
    single: float
    pipelined: float
    store: float
    difference: str

    @property
    def times(self) -> float:
        """How many times as fast pipelines are."""
        return self.single / self.pipelined

    @property
    def store_times(self) -> float:
        """How many times as fast the shuffle is."""
        return self.single / self.store


def pipelining(place: Place, *, side: int = SIDE) -> Pipelining:
    """Write and read small values in the three ways, each once."""
    count = side * side
    data = secrets.token_bytes(SIZE)
    keys = [f"compare-{secrets.token_hex(8)}/{number}" for number in range(count)]
    raw = RawRedis(place)

    def one_by_one() -> None:
        for key in keys:
            raw.node(key).set(key, data, ex=3600)
        for key in keys:
            raw.node(key).get(key)

    def in_pipelines() -> None:
        raw.write([(key, data) for key in keys])
        raw.read([Span(key, 0, SIZE) for key in keys])

    try:
        single = _seconds(one_by_one)
        pipelined = _seconds(in_pipelines)
    finally:
        raw.delete(keys)
    with Crew(1) as alone:
        shuffled = exchange(place, Shape(maps=side, reduces=side, piece=SIZE), alone)
    return Pipelining(
        values=count, single=single, pipelined=pipelined, store=shuffled.seconds, difference=shuffled.difference
    )


def _seconds(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
