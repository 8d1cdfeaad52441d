"""What a comparison found."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.compare.clients import Cost
from benchmarks.compare.footprint import Footprint
from benchmarks.compare.layout import Layouts
from benchmarks.compare.pipelining import Pipelining
from benchmarks.compare.places import Place
from benchmarks.compare.roofline import BLOCKS, Beside
from benchmarks.compare.words import Count
from benchmarks.compare.workload import Exchange

#: What can be measured, in this order.
PARTS = ("words", "shuffle", "roofline", "pipelining", "memory", "layout", "clients")


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to compare.

    Attributes:
        parts: what is measured.
        runs: how often; layouts are measured once.
        workers: how many processes write and read at once; with one all runs in this process.
        text: bytes of the text whose words are counted.
        size: bytes of a shuffle.
        maps: map tasks of the shuffle.
        reduces: its partitions.
        roofline: bytes of a shuffle beside the client library alone; runs of few would be too short to time.
        blocks: bytes of the blocks of these.
        square: map tasks, and partitions, of the shuffle in two layouts.
        requests: how many small objects each client of S3 puts and gets.
    """

    parts: Sequence[str] = PARTS
    runs: int = 3
    workers: int = 2
    text: int = 20_000_000
    size: int = 64_000_000
    maps: int = 16
    reduces: int = 16
    roofline: int = 256_000_000
    blocks: Sequence[int] = BLOCKS
    square: int = 200
    requests: int = 300


@dataclass(frozen=True, kw_only=True)
class Roof:
    """A roofline's figures for one size of blocks.

    Attributes:
        block: bytes of a block, about.
        side: map tasks, and partitions.
        runs: the figures.
    """

    block: int
    side: int
    runs: list[Beside] = field(default_factory=list)


@dataclass(kw_only=True)
class Row:
    """What was found of one store.

    Attributes:
        name: of the store.
        kind: the scheme of its URL.
        url: of the store.
        server: what serves it, where that is known.
        absent: why it was not compared, which is no failure.
        problem: what failed; "" if nothing did.
        warnings: what might have gone wrong.
        words: word counts, one for each run.
        exchanges: shuffles, one for each run.
        dollars: list price of one such shuffle's requests, where requests have a price.
        roofline: by size of blocks.
        pipelining: of Redis, one for each run.
        footprints: of Redis' clients, one for each run.
        layouts: of S3.
        costs: of S3's clients, those of each run.
    """

    name: str
    kind: str
    url: str = ""
    server: str = ""
    absent: str = ""
    problem: str = ""
    warnings: list[str] = field(default_factory=list)
    words: list[Count] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    dollars: float | None = None
    roofline: list[Roof] = field(default_factory=list)
    pipelining: list[Pipelining] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    layouts: list[Layouts] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)

    @classmethod
    def of(cls, place: Place) -> Row:
        """A row of `place` without figures."""
        return cls(name=place.name, kind=place.kind, url=place.url, server=place.server)

    def differences(self) -> list[str]:
        """Every result that is wrong."""
        checked: list[Any] = [*self.words, *self.exchanges, *self.pipelining, *self.footprints]
        checked += [run for roof in self.roofline for run in roof.runs]
        checked += [one for both in self.layouts for one in (both.per_map, both.merged, both.per_pair)]
        return [one.difference for one in checked if one.difference]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures.

    Attributes:
        machine: what they depend on.
        versions: of the clients.
        way: how they came about.
        prices: where the prices stand.
        rows: of each store.
    """

    machine: dict[str, Any]
    versions: dict[str, str]
    way: Way
    prices: str
    rows: list[Row]


def problems(report: Report) -> list[str]:
    """What went wrong; that nobody named a store of a kind did not."""
    return [
        f"{row.name}: {problem}"
        for row in report.rows
        for problem in (*filter(None, [row.problem]), *row.differences())
    ]


def percentile(values: Sequence[float], percent: float) -> float:
    """The least of `values` that at least so many percent of them do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def median(items: Iterable[Any], figure: Callable[[Any], float]) -> float:
    """The median of a figure of `items`."""
    return statistics.median(map(figure, items))
