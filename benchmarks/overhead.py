"""What a job costs that does nothing: from the start of a process, and for each task."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from benchmarks import coldstart
from benchmarks.process import machine, run_whole, with_ours
from benchmarks.sheet import Sheet, spread
from driver import Driver
from mapreduce import Job, Mapper

if TYPE_CHECKING:
    from rich.console import Console


class Nothing(Mapper[str, str, int]):
    """No pairs."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        return iter(())


nothing = Job(mapper=Nothing(), name="nothing")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What nothing took, each time.

    Attributes:
        machine: what figures depend on.
        workers: how many tasks ran at once.
        tasks: how many tasks a job of many tasks has.
        process_seconds: of whole processes that count the words of one empty file.
        job_seconds: of jobs of as many tasks as workers, over warm workers.
        tasks_seconds: of jobs of many tasks, over the same.
        requests: to the object store, by kind, in the last job of many tasks.
        cold_seconds: of our imports in a new process, as in a sandbox: the handler's, and those of a first task.
    """

    machine: dict[str, Any]
    workers: int
    tasks: int
    process_seconds: list[float]
    job_seconds: list[float]
    tasks_seconds: list[float]
    requests: dict[str, int]
    cold_seconds: list[tuple[float, float]]

    @property
    def task_milliseconds(self) -> float:
        """A task's share of the median job, what the job costs by itself included."""
        return statistics.median(self.tasks_seconds) / self.tasks * 1000


def run(*, workers: int, tasks: int, runs: int) -> Report:
    """Measure, `runs` times each."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as scratch:
        processes = [_process(os.path.join(scratch, str(number)), workers) for number in range(runs)]
        few, many = (_lines(scratch, count) for count in (workers, tasks))
        with Driver(workers=workers, split_size=1) as driver:
            _timed(driver, few)  # a job before, so that the workers are warm
            jobs = [_timed(driver, few)[0] for _ in range(runs)]
            measured = [_timed(driver, many) for _ in range(runs)]
    return Report(
        machine=machine(),
        workers=workers,
        tasks=tasks,
        process_seconds=processes,
        job_seconds=jobs,
        tasks_seconds=[elapsed for elapsed, _ in measured],
        requests=measured[-1][1],
        cold_seconds=[coldstart.imports() for _ in range(runs)],
    )


def _process(folder: str, workers: int) -> float:
    """The seconds of a whole process whose input is one empty file."""
    os.makedirs(os.path.join(folder, "input"))
    with open(os.path.join(folder, "input", "empty.txt"), "wb"):
        pass
    arguments = ["--input", f"{folder}/input", "--output", f"{folder}/output", "--workers", str(workers)]
    whole = run_whole(
        [sys.executable, "-m", "benchmarks.peers.words.ours", *arguments], timeout=60, environ=with_ours()
    )
    if whole.problem:
        raise click.ClickException(f"the job over an empty file failed: {whole.problem}")
    return whole.seconds


def _lines(folder: str, count: int) -> str:
    """A file of empty lines: with splits of one byte, each is a task."""
    path = os.path.join(folder, f"{count}-lines.txt")
    with open(path, "wb") as file:
        file.write(b"\n" * count)
    return path


def _timed(driver: Driver, path: str) -> tuple[float, dict[str, int]]:
    began = time.perf_counter()
    with driver.run(nothing, path) as result:
        elapsed = time.perf_counter() - began
        expected = os.path.getsize(path)
        if result.rounds[0].tasks != expected:
            raise click.ClickException(f"{expected} tasks were planned as {result.rounds[0].tasks}")
        return elapsed, dict(result.metrics["requests"])


def show(report: Report, console: Console) -> None:
    """Print a report."""
    runs = len(report.process_seconds)
    sheet = Sheet(f"Overhead, {runs} runs each, {report.workers} workers", ("", "median s", "least-most s"))
    for name, times in (
        ("whole process, one empty file", report.process_seconds),
        (f"job of {report.workers} no-op tasks, warm workers", report.job_seconds),
        (f"job of {report.tasks:,} no-op tasks, warm workers", report.tasks_seconds),
    ):
        sheet.rows.append((name, f"{statistics.median(times):.3f}", spread(times, 3)))
    handler, task = (list(times) for times in zip(*report.cold_seconds, strict=True))
    for name, times in (("imports of a function's handler", handler), ("imports of its first task", task)):
        sheet.rows.append((name, f"{statistics.median(times):.3f}", spread(times, 3)))
    requests = ", ".join(
        f"{count:,} {kind}" for kind, count in sorted(report.requests.items()) if not kind.startswith("bytes_")
    )
    sheet.notes += [f"a task: {report.task_milliseconds:.3f} ms", f"requests of {report.tasks:,} tasks: {requests}"]
    sheet.show(console)
