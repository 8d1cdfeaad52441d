"""Terasort over several shuffle stores: what a sort takes beyond what its bytes take through each of them."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.compare.crew import Crew
from benchmarks.compare.places import Place
from benchmarks.compare.roofline import move_raw
from benchmarks.compare.workload import Shape
from benchmarks.page import section
from benchmarks.peers.contests import Contest, sort
from benchmarks.process import machine
from benchmarks.sheet import Sheet, spread
from benchmarks.sorting.sort import sort_job
from driver import Driver
from mapreduce import MapReduceError

#: The share of the folder's compute efficiency that a store should reach.
TARGET = 0.7


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """One sort through a store, and as many bytes through its client library alone.

    Attributes:
        seconds: of the sort; workers' start is part of it.
        shuffled: bytes through the store, written and then read.
        shuffling: seconds in which the workers waited for the store.
        rates: bytes in a second of the client library alone, by phase.
        difference: what is wrong with the output; "" if nothing is.
    """

    seconds: float
    shuffled: int
    shuffling: float
    rates: Mapping[str, float]
    difference: str

    @property
    def roofline(self) -> float:
        """Seconds that the same bytes need: by the client library alone, or as the sort did where that was faster."""
        # As it is in a folder, where what is to be sorted is gathered in the very file that is shuffled.
        return min(self.shuffling, sum(self.shuffled / rate for rate in self.rates.values()))

    @property
    def rest(self) -> float:
        """Seconds of the sort beyond these."""
        return self.seconds - self.roofline


@dataclass(kw_only=True)
class Row:
    """What was found of one store.

    Attributes:
        name: of the store.
        server: what serves it, where that is known.
        absent: why it was not compared, which is no failure.
        problem: what failed; "" if nothing did.
        runs: the figures.
        efficiency: of each run: what the sort through the folder beside it took beyond the roofline, over what this
            one did.
    """

    name: str
    server: str = ""
    absent: str = ""
    problem: str = ""
    runs: list[Sorted] = field(default_factory=list)
    efficiency: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures.

    Attributes:
        machine: what they depend on.
        title: what was sorted.
        workers: how many sorted at once.
        rows: of each store, the folder first.
    """

    machine: dict[str, Any]
    title: str
    workers: int
    rows: list[Row]


def run(
    places: Sequence[Place],
    size: int,
    *,
    absent: Mapping[str, str],
    workers: int = 2,
    runs: int = 3,
    data: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Sort through each of these stores, in turns.

    Args:
        places: the stores; the first is what the others are compared with.
        size: bytes of records.
        absent: of each kind of store of which there is none, why.
        workers: how many processes sort, or move bytes, at once.
        runs: how often.
        data: the folder where generated records are kept.
        tell: takes a line about each step.
    """
    contest = sort(size, "binary", [], data)
    rows = [Row(name=place.name, server=place.server) for place in places]
    pairs = list(zip(places, rows, strict=True))
    for number in range(runs):
        for place, row in pairs[:: -1 if number % 2 else 1]:
            if not row.problem:
                tell(f"run {number + 1} of {runs}: {place.name}")
                _measure(place, contest, workers, row)
        for row in rows:
            if not (row.problem or rows[0].problem):
                row.efficiency.append(rows[0].runs[-1].rest / row.runs[-1].rest)
    rows += [Row(name=kind, absent=reason) for kind, reason in absent.items()]
    return Report(machine=machine(), title=contest.title, workers=workers, rows=rows)


def _measure(place: Place, contest: Contest, workers: int, row: Row) -> None:
    try:
        with place.environment():
            row.runs.append(_sort(place, contest, workers))
        row.problem = row.runs[-1].difference
    except MapReduceError as error:
        row.problem = str(error)
    except Exception as error:  # of a client library; the other stores are still to be measured
        row.problem = f"{type(error).__name__}: {error}"


def _sort(place: Place, contest: Contest, workers: int) -> Sorted:
    """Sort through a store, then move as many bytes in pieces as large through the client library alone."""
    with tempfile.TemporaryDirectory(prefix="terasort-") as scratch:
        output = f"{scratch}/output"
        settings = {"storage": f"{scratch}/storage", "exchange": "direct", **place.settings}
        with Driver(executor="inline" if workers == 1 else "local", workers=workers, **settings) as driver:
            began = time.perf_counter()
            result = driver.run(sort_job(), contest.files, output)
            seconds = time.perf_counter() - began
        difference = contest.check(output)
    tasks = {one.kind: one.tasks for one in result.rounds}
    shuffled = result.metrics["bytes_shuffled"]
    with Crew(workers) as crew:
        rates = move_raw(place, Shape.of(shuffled, tasks["map"], tasks["reduce"]), crew)
    shuffling = sum(one.shuffle_seconds for one in result.rounds) / workers
    return Sorted(seconds=seconds, shuffled=shuffled, shuffling=shuffling, rates=rates, difference=difference)


def problems(report: Report) -> list[str]:
    """What went wrong; that nobody named a store of a kind did not."""
    return [f"{row.name}: {row.problem}" for row in report.rows if row.problem]


def sheet(report: Report) -> Sheet:
    """The table."""
    table = Sheet(
        f"{report.title}, through each store, {report.workers} workers",
        ("", "runs", "sort\ns", "least-most\ns", "roofline\ns", "rest\ns", "efficiency", "least-most"),
    )
    for row in report.rows:
        if row.problem or row.absent:
            table.notes.append(f"{row.name}: {row.problem or row.absent}")
        elif row.efficiency:
            table.rows.append(_figures(row))
    low = [row.name for row in report.rows if row.efficiency and statistics.median(row.efficiency) < TARGET]
    told = f"missed by {', '.join(low)}" if low else "met by all"
    table.notes.append(f"the target, {TARGET:.0%} of the folder's, is {told}")
    table.notes += [f"{row.name} is served by {row.server}" for row in report.rows if row.server]
    return table


def _figures(row: Row) -> list[str]:
    median = partial(_median, row.runs)
    return [
        row.name,
        str(len(row.runs)),
        median(lambda one: one.seconds),
        spread([one.seconds for one in row.runs]),
        median(lambda one: one.roofline),
        median(lambda one: one.rest),
        f"{statistics.median(row.efficiency):.0%}",
        spread(row.efficiency),
    ]


def _median(runs: Sequence[Sorted], figure: Callable[[Sorted], float]) -> str:
    return f"{statistics.median(map(figure, runs)):.2f}"


_MEASURED = """\
The same sort with its shuffle in a local folder, in an S3 and in a Redis, all on this machine; input and output are
local files, and every output was validated. The *roofline* of a store is the time that as many bytes, in pieces as
large, take through the client library alone, written and then read by as many processes; or, where that is less, the
time in which the sort's workers waited for the store. *Efficiency* is what the folder's sort takes beyond its roofline,
over what this one takes beyond its own: 100 % where a store costs nothing but the way of the bytes. Servers on this
machine take their processor time from the workers.
"""


def page_section(report: Report, command: str) -> str:
    """The section of the page that a report gives; `command` is what made it."""
    return section("Terasort through each store", _MEASURED, command, report.machine, [sheet(report)])
