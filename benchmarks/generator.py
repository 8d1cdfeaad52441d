"""What the plain classes cost beyond the user's own generator: CPU time of one process, step by step."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.page import section
from benchmarks.peers.words.ours_records import Words as Looking
from benchmarks.process import machine
from benchmarks.sheet import Sheet, spread
from benchmarks.text import review_text
from benchmarks.wordcount import Total, words
from driver import Driver
from mapreduce import Job

looking = Job(mapper=Looking(), combiner=sum, reducer=Total(), name="word count, word by word")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the steps took.

    Attributes:
        machine: what figures depend on.
        size: bytes of text.
        seconds: of the processor, of each step in each run, by its name.
        problems: of jobs that counted wrongly.
    """

    machine: dict[str, Any]
    size: int
    seconds: dict[str, list[float]]
    problems: list[str]


def run(size: int, *, runs: int, data: str | None = None) -> Report:
    """Run every step `runs` times, in turns.

    Args:
        size: bytes of text.
        runs: how often.
        data: the folder where generated text is kept.
    """
    files = review_text(size, data)
    seconds: dict[str, list[float]] = {name: [] for name in _STEPS}
    problems = []
    for _ in range(runs):
        right = None
        for name, step in _STEPS.items():
            began = time.process_time()
            counts = step(files)
            seconds[name].append(time.process_time() - began)
            right = right or counts
            if counts is not None and counts != right:
                problems.append(f"{name}: the counts are wrong")
    return Report(machine=machine(), size=size, seconds=seconds, problems=problems)


def _lines(files: Sequence[str]) -> Iterator[str]:
    for path in files:
        with open(path, encoding="utf-8", newline="\n") as lines:
            yield from lines


def _read(files: Sequence[str]) -> None:
    deque(_lines(files), maxlen=0)


def _drain(files: Sequence[str]) -> None:
    mapper = Looking()
    for line in _lines(files):
        deque(mapper.map(line), maxlen=0)


def _add_up(files: Sequence[str]) -> dict[str, int]:
    mapper = Looking()
    totals: dict[str, int] = {}
    for line in _lines(files):
        for word, one in mapper.map(line):
            totals[word] = totals.get(word, 0) + one
    return totals


def _job(job: Job[Any, Any, Any, str, int]) -> Callable[[Sequence[str]], dict[str, int]]:
    def count(files: Sequence[str]) -> dict[str, int]:
        with Driver(executor="inline") as driver, driver.run(job, files) as result:
            return dict(result)

    return count


_STEPS: dict[str, Callable[[Sequence[str]], dict[str, int] | None]] = {
    "lines read": _read,
    "the mapper's generator over them, its pairs dropped": _drain,
    "the same, its pairs added up in a dict": _add_up,
    "the job, word by word": _job(looking),
    "the job of the README, which counts by arrays": _job(words),
}
_LEAST = "the same, its pairs added up in a dict"

_TEXT = f"""
CPU time of one process, of the inline executor where there is a job: sharing out, shuffling, reducing and reading the
result are part of it. A job cannot do less than run its mapper's generator and look up each key once, unless it does
without the generator: *beyond* is what it takes more than that ("{_LEAST}"), and is negative where it takes less. The
first job's mapper looks at each word; that of the README does nothing but yield them.
"""


def sheet(report: Report) -> Sheet:
    """The table of a report."""
    head = ("", "CPU s", "least-most s", "beyond", "least-most")
    runs = len(report.seconds[_LEAST])
    found = Sheet(f"Word count of {report.size / 1e6:,.0f} MB in one process, {runs} runs", head)
    for name, times in report.seconds.items():
        cells = ["", ""]
        if "job" in name:
            shares = [time / least - 1 for time, least in zip(times, report.seconds[_LEAST], strict=True)]
            cells = [f"{statistics.median(shares):+.0%}", f"{min(shares):+.0%} to {max(shares):+.0%}"]
        found.rows.append((name, f"{statistics.median(times):.2f}", spread(times), *cells))
    found.notes += report.problems
    return found


def page_section(report: Report, command: str) -> str:
    """The report's section of the page of figures."""
    title = "Classes: what they cost beyond the user's generator"
    return section(title, _TEXT, command, report.machine, [sheet(report)])
