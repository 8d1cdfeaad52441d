"""The memory of workers against their budget, and of the driver against the size of the input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from benchmarks.process import machine, peak_memory, with_ours
from benchmarks.sheet import Sheet, seconds
from benchmarks.text import review_text
from driver import Driver
from mapreduce import Job, Mapper, Reducer
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

#: What a worker may use beyond its budget, in bytes.
TOLERANCE = 64_000_000


class ByLength(Mapper[str, str, str]):
    """Lines in two groups, one of which has seven in eight of them."""

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        yield group(line), line


class Measure(Reducer[str, str, str, int]):
    """How many lines a group has, and how many characters."""

    def reduce(self, key: str, lines: Iterator[str]) -> Iterator[tuple[str, int]]:
        count = characters = 0
        for line in lines:
            count += 1
            characters += len(line)
        yield f"{key} lines", count
        yield f"{key} characters", characters


def group(line: str) -> str:
    """The group of a line."""
    return "small" if len(line) % 8 == 0 else "large"


groups = Job(mapper=ByLength(), reducer=Measure(), partitions=2, name="groups")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one job took.

    Attributes:
        job: what it did.
        bytes_in: its input.
        seconds: of the job.
        peak_memory: the largest resident memory of a worker, in bytes.
        spilled: bytes that its workers wrote to local disk for lack of memory.
        shuffled: bytes that its reduce tasks read.
        driver_peak_memory: the largest resident memory of the driver's process, in bytes.
    """

    job: str
    bytes_in: int
    seconds: float
    peak_memory: int
    spilled: int
    shuffled: int
    driver_peak_memory: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the jobs took.

    Attributes:
        machine: what figures depend on.
        budget: bytes that a worker may use.
        largest_group: bytes of the largest group's values.
        runs: the jobs: the words of a tenth of the text, of all, and the groups of all.
    """

    machine: dict[str, Any]
    budget: int
    largest_group: int
    runs: list[Run]


def run(size: int, memory: int, *, workers: int | None = None, data: str | None = None) -> Report:
    """Run the jobs, each in a fresh process, and check their outputs.

    Args:
        size: bytes of text.
        memory: bytes that a worker may use.
        workers: how many there are.
        data: the folder where generated text is kept.

    Raises:
        click.ClickException: a job failed or gave a wrong result.
    """
    settings = [f"--memory={memory}", *([] if workers is None else [f"--workers={workers}"])]
    settings += [] if data is None else [f"--data={data}"]
    runs = [_count(part, settings) for part in (size // 10, size)]
    told = _child([sys.executable, "-m", "benchmarks.memory", str(size), str(memory), str(workers or ""), data or ""])
    expected = _expected(review_text(size, data))
    if told["pairs"] != expected:
        raise click.ClickException(f"the groups are wrong: {told['pairs']}, for {expected}")
    return Report(
        machine=machine(),
        budget=memory,
        largest_group=expected["large characters"],
        runs=[*runs, Run(**told["run"])],
    )


def _count(size: int, settings: Sequence[str]) -> Run:
    """Count words in a process of its own."""
    told = _child([sys.executable, "-m", "benchmarks.wordcount", f"--size={size}", "--json", *settings])
    return _run("words", told["metrics"], told["driver_peak_memory"])


def _run(job: str, metrics: Mapping[str, Any], driver_peak: int) -> Run:
    return Run(
        job=job,
        bytes_in=metrics["bytes_in"],
        seconds=metrics["seconds"],
        peak_memory=metrics["peak_memory"],
        spilled=metrics["bytes_spilled"],
        shuffled=metrics["bytes_shuffled"],
        driver_peak_memory=driver_peak,
    )


def _child(command: Sequence[str]) -> dict[str, Any]:
    child = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **with_ours()}, check=False)
    if child.returncode:
        raise click.ClickException(f"{' '.join(command[1:])} ended with exit code {child.returncode}")
    told: dict[str, Any] = json.loads(child.stdout)
    return told


def _expected(files: Sequence[str]) -> dict[str, int]:
    """The pairs of the grouping job, by plain Python."""
    expected: Counter[str] = Counter()
    for path in files:
        with open(path, encoding="utf-8", newline="\n") as lines:
            for line in map(str.rstrip, lines):
                expected[f"{group(line)} lines"] += 1
                expected[f"{group(line)} characters"] += len(line)
    return dict(expected)


def _group(size: int, memory: int, workers: int | None, data: str | None) -> dict[str, Any]:
    """Run the grouping job in this process."""
    from driver.cli import progress

    files = review_text(size, data)
    with Driver(memory=memory, workers=workers, callbacks=[progress()]) as driver, driver.run(groups, files) as result:
        peak = peak_memory()
        return {"pairs": dict(result), "run": vars(_run("groups", result.metrics, peak))}


def show(report: Report, console: Console) -> None:
    """Print a report."""
    allowed = report.budget + TOLERANCE
    title = (
        f"Memory: {format_size(report.budget)} for a worker, {format_size(allowed)} allowed;"
        f" the largest group has {format_size(report.largest_group)}"
    )
    head = ("", "input", "time", "shuffled", "spilled", "peak of\na worker", "within", "peak of\nthe driver")
    sheet = Sheet(title, head)
    for one in report.runs:
        sheet.rows.append(
            (
                one.job,
                format_size(one.bytes_in),
                seconds(one.seconds),
                format_size(one.shuffled),
                format_size(one.spilled),
                format_size(one.peak_memory),
                "yes" if one.peak_memory <= allowed else "no",
                format_size(one.driver_peak_memory),
            )
        )
    sheet.show(console)


if __name__ == "__main__":
    _size, _memory, _workers, _data = sys.argv[1:]
    print(json.dumps(_group(int(_size), int(_memory), int(_workers) if _workers else None, _data or None)))
