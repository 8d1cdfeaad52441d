"""Word count through the plain classes, or by arrays, checked against a plain Counter."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.process import machine, peak_memory
from benchmarks.reference import count_words, difference
from benchmarks.sheet import Sheet, rate, seconds
from benchmarks.text import review_text
from benchmarks.words import CountWords
from driver import Driver, Result, Round
from mapreduce import Job, Mapper, Reducer
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console


class Words(Mapper[str, str, int]):
    """The words of a line."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


words = Job(mapper=Words(), combiner=sum, reducer=Total(), name="word count")
#: The same by arrays: see `benchmarks.words`.
words_by_arrays = Job(mapper=CountWords(), combiner=sum, reducer=Total(), name="word count by arrays")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What a run took.

    Attributes:
        machine: what figures depend on.
        files: how many files the input has.
        seconds: of the job; workers' start is part of it, the start of this process is not.
        bytes_per_second: of input.
        rounds: what each round did.
        metrics: the result's.
        driver_peak_memory: the largest resident memory of this process until the job's end, in bytes.
        difference: how the output differs from the right one; "" if it does not.
    """

    machine: dict[str, Any]
    files: int
    seconds: float
    bytes_per_second: float
    rounds: tuple[Round, ...]
    metrics: dict[str, Any]
    driver_peak_memory: int
    difference: str


def run(
    driver: Driver, size: int, *, batch: bool = False, data: str | None = None, output: str | None = None
) -> Report:
    """Count the words of a text of `size` bytes, then check the output.

    Args:
        driver: runs the job.
        size: bytes of text.
        batch: whether to count by arrays, instead of word by word.
        data: the folder where generated text is kept.
        output: the folder for the output; by default one that is deleted in the end.
    """
    files = review_text(size, data)
    with tempfile.TemporaryDirectory(prefix="wordcount-") as scratch:
        folder = output or scratch
        began = time.perf_counter()
        result = driver.run(words_by_arrays if batch else words, files, folder)
        elapsed = time.perf_counter() - began
        return _report(result, files, elapsed, peak_memory(), difference(folder, count_words(files)))


def _report(result: Result[str, int], files: Sequence[str], elapsed: float, peak: int, problem: str) -> Report:
    return Report(
        machine=machine(),
        files=len(files),
        seconds=elapsed,
        bytes_per_second=result.metrics["bytes_in"] / elapsed,
        rounds=result.rounds,
        metrics=result.metrics,
        driver_peak_memory=peak,
        difference=problem,
    )


def show(report: Report, console: Console) -> None:
    """Print a report."""
    metrics = report.metrics
    title = f"Word count of {format_size(metrics['bytes_in'])} in {report.files} files"
    head = ("round", "tasks", "time", "records\nin", "bytes\nin", "records\nout", "bytes\nout", "peak of\na worker")
    sheet = Sheet(title, head)
    for one in report.rounds:
        sheet.rows.append((f"{one.number}: {one.kind}", str(one.tasks), *_figures(one, one.seconds)))
    sheet.rows.append(("in all", "", *_figures(_whole(report), report.seconds)))
    sheet.notes += [
        f"throughput: {rate(metrics['bytes_in'], report.seconds)}",
        f"bytes shuffled: {format_size(metrics['bytes_shuffled'])}, spilled: {format_size(metrics['bytes_spilled'])}",
        f"peak memory of the driver: {format_size(report.driver_peak_memory)}",
        f"output: {report.difference or 'the same, byte for byte, as by a plain Counter'}",
    ]
    sheet.show(console)


def _whole(report: Report) -> Round:
    """The job as if it were one round."""
    first, last, metrics = report.rounds[0], report.rounds[-1], report.metrics
    return dataclasses.replace(
        first, records_out=last.records_out, bytes_out=last.bytes_out, peak_memory=metrics["peak_memory"]
    )


def _figures(one: Round, time: float) -> tuple[str, ...]:
    return (
        seconds(time),
        f"{one.records_in:,}",
        format_size(one.bytes_in),
        f"{one.records_out:,}",
        format_size(one.bytes_out),
        format_size(one.peak_memory),
    )


if __name__ == "__main__":
    from driver.cli import main

    main(["bench", "wordcount", *sys.argv[1:]])
