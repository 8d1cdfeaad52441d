"""Terasort: generate the sort benchmark's records, sort them, and validate the output, every time."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from benchmarks.compare.prices import price
from benchmarks.process import machine, peak_memory
from benchmarks.sheet import Sheet, rate, seconds
from benchmarks.sorting.generator import generate
from benchmarks.sorting.layouts import RECORD
from benchmarks.sorting.sort import sort_job
from benchmarks.sorting.validator import validate
from driver import Driver, Round
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console

#: Bytes of an input file, about.
_FILE = 128_000_000
#: AWS's list price of Lambda on x86 in us-east-1: US dollars for a gigabyte and second, and for a request.
GIGABYTE_SECOND, INVOCATION = Decimal("0.0000166667"), Decimal("0.0000002")
SOURCE = "https://aws.amazon.com/lambda/pricing/, x86, us-east-1, November 2026"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run took.

    Attributes:
        machine: what figures depend on.
        layout: of the records.
        skewed: whether their keys are.
        records: how many there are.
        files: of the input.
        workers: how many sorted at once.
        generate: seconds.
        sort: seconds of the job; workers' start is part of it, the start of this process is not.
        validate: seconds.
        rounds: what each round of the job did.
        metrics: the result's.
        shuffle_requests: requests for the shuffled bytes, of map and of reduce tasks, by kind, with bytes.
        largest: records of the largest part over the mean of all.
        price: US dollars that the same tasks would cost on Lambda and S3, by the seconds that they took here.
        checksum: of the records, in hexadecimal.
        duplicates: keys that occur more than once.
        driver_peak_memory: the largest resident memory of this process, in bytes.
        problem: what is wrong with the output; "" if nothing is.
    """

    machine: dict[str, Any]
    layout: str
    skewed: bool
    records: int
    files: int
    workers: int
    generate: float
    sort: float
    validate: float
    rounds: tuple[Round, ...]
    metrics: dict[str, Any]
    shuffle_requests: dict[str, int]
    largest: float
    price: str
    checksum: str
    duplicates: int
    driver_peak_memory: int
    problem: str


def run(
    driver: Driver,
    size: int,
    *,
    layout: str = "binary",
    skewed: bool = False,
    partitions: int | None = None,
    data: str | None = None,
    output: str | None = None,
) -> Report:
    """Generate `size` bytes of records, whole ones, sort them, and validate the output.

    Args:
        driver: runs the job.
        size: bytes of records.
        layout: "binary", "ascii" or "teragen".
        skewed: whether keys are as of gensort -s.
        partitions: parts of the output.
        data: the folder for the generated records, which must be empty or absent; by default one that is deleted.
        output: the folder or URL for the output; by default one that is deleted.

    Raises:
        ConfigError: an argument cannot be used.
    """
    records = max(1, size // RECORD)
    with tempfile.TemporaryDirectory(prefix="terasort-") as scratch:
        began = time.perf_counter()
        made = generate(records, data or f"{scratch}/in", layout=layout, skewed=skewed, parts=max(1, -(-size // _FILE)))
        generated = time.perf_counter()
        result = driver.run(sort_job(RECORD), made.files, output or f"{scratch}/out", partitions)
        sorted_ = time.perf_counter()
        found = validate([f"{result.output}/{part}" for part in result.parts], access=driver.settings.access)
        validated = time.perf_counter()
    counts = [part.records for part in found.parts.values()]
    return Report(
        machine=machine(),
        layout=layout,
        skewed=skewed,
        records=records,
        files=len(made.files),
        workers=driver.settings.workers,
        generate=generated - began,
        sort=sorted_ - generated,
        validate=validated - sorted_,
        rounds=result.rounds,
        metrics=result.metrics,
        shuffle_requests=_requests(result.rounds),
        largest=max(counts) * len(counts) / records,
        price=str(_price(result.rounds, int(result.metrics["memory"]))),
        checksum=f"{found.total.checksum:x}",
        duplicates=found.total.duplicates,
        driver_peak_memory=peak_memory(),
        problem=found.difference(records, made.checksum),
    )


def _requests(rounds: tuple[Round, ...]) -> dict[str, int]:
    """Requests of the rounds that shuffle, by kind."""
    found: Counter[str] = Counter()
    for one in rounds:
        if one.kind != "sample":
            found.update(one.requests)
    return dict(sorted(found.items()))


def _price(rounds: tuple[Round, ...], memory: int) -> Decimal:
    """US dollars on Lambda, by the tasks' seconds and their memory, and for their requests if all went to S3."""
    found = Decimal(0)
    for one in rounds:
        gigabytes = Decimal(memory) / 10**9
        found += GIGABYTE_SECOND * gigabytes * Decimal(one.task_seconds) + INVOCATION * one.attempts
        found += price({kind: count for kind, count in one.requests.items() if not kind.startswith("redis")})
    return found.quantize(Decimal("0.000001"))


def show(report: Report, console: Console) -> None:
    """Print a report."""
    size = report.records * RECORD
    skewed = ", skewed" if report.skewed else ""
    title = f"Terasort of {format_size(size)} ({report.layout}{skewed}) by {report.workers} workers"
    head = ("phase", "tasks", "time", "of bytes", "bytes\nper core", "peak of\na worker")
    sheet = Sheet(title, head)

    def add(name: str, time_: float, bytes_: int, tasks: str = "", peak: str = "") -> None:
        pace = rate(bytes_, max(time_, 1e-9) * report.workers)
        sheet.rows.append((name, tasks, seconds(time_), format_size(bytes_), pace, peak))

    add("generate", report.generate, size)
    for one in report.rounds:
        read = one.bytes_in if one.kind == "sample" else size
        add(one.kind, one.seconds, read, str(one.tasks), format_size(one.peak_memory))
    shuffling = sum(one.shuffle_seconds for one in report.rounds) / report.workers
    add("of these, shuffle", shuffling, report.metrics["bytes_shuffled"])
    add("sort in all", report.sort, size, peak=format_size(report.metrics["peak_memory"]))
    add("validate", report.validate, size)
    requests = ", ".join(
        f"{count:,} {kind}" for kind, count in report.shuffle_requests.items() if not kind.startswith("bytes_")
    )
    shuffled, spilled = (format_size(report.metrics[f"bytes_{how}"]) for how in ("shuffled", "spilled"))
    sheet.notes += [
        f"shuffled: {shuffled}, spilled: {spilled}",
        f"requests of map and reduce tasks, input and output included: {requests}",
        f"largest part: {report.largest:.2f} times the mean of {report.rounds[-1].tasks}",
        f"peak memory of the driver: {format_size(report.driver_peak_memory)}",
        f"price of such tasks on AWS Lambda and S3, if they take as long there: {Decimal(report.price):f} USD",
        f"output: {report.problem or f'in order, checksum {report.checksum}, duplicate keys {report.duplicates}'}",
    ]
    sheet.show(console)


if __name__ == "__main__":
    from driver.cli import main

    main(["bench", "terasort", *sys.argv[1:]])
