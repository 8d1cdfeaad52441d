"""The comparison: whole processes, each beside one of ours, every output checked."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.catalogue import OURS, PEERS, Peer
from benchmarks.process import FOLDER, Whole, machine, run_whole, with_ours
from benchmarks.reference import count_words, difference
from benchmarks.sheet import Sheet, spread
from benchmarks.text import review_text
from mapreduce import ConfigError
from mapreduce.sizes import format_size


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to compare.

    Attributes:
        python: the interpreter that has the peers; None: this one.
        workers: how many processes, or threads, count words at once.
        runs: how many pairs of runs each peer gets.
        timeout: seconds that one run may take.
    """

    python: str | None = None
    workers: int = 2
    runs: int = 3
    timeout: float = 900.0


@dataclass(kw_only=True)
class Row:
    """What the runs of one framework took on one text.

    Attributes:
        name: of the peer.
        version: of its framework.
        seconds: of each run.
        cpu: seconds of processors of each run.
        ratios: of each run to the run of ours beside it, in seconds.
        problem: why there are no runs, or what is wrong with one; "" if all is right.
        missing: whether the peer is not installed, which is no failure.
    """

    name: str
    version: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    problem: str = ""
    missing: bool = False

    def add(self, whole: Whole) -> None:
        """Take down a run."""
        if whole.problem:
            self.problem = whole.problem
        else:
            self.seconds.append(whole.seconds)
            self.cpu.append(whole.cpu)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One text's figures: ours first."""

    size: int
    files: int
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures."""

    machine: dict[str, Any]
    workers: int
    comparisons: list[Comparison]


def choose(names: Sequence[str] | None) -> list[Peer]:
    """The peers of these names; all without names.

    Raises:
        ConfigError: there is no peer of that name.
    """
    for name in names or ():
        if name not in PEERS:
            raise ConfigError(f"--only: there is no peer {name!r}; there are {', '.join(PEERS)}")
    return [PEERS[name] for name in names or PEERS]


def run(sizes: Sequence[int], peers: Sequence[Peer], way: Way, *, data: str | None = None) -> Report:
    """Compare on texts of these sizes, in bytes; `data` is the folder where these are kept."""
    return Report(
        machine=machine(),
        workers=way.workers,
        comparisons=[_compare(review_text(size, data), peers, way) for size in sizes],
    )


def _compare(files: Sequence[str], peers: Sequence[Peer], way: Way) -> Comparison:
    expected = count_words(files)
    ours = Row(name=OURS.name, version=machine()["mapreduce"])
    rows = [ours]
    for peer in peers:
        row = _look(peer, way.python or sys.executable)
        rows.append(row)
        for number in range(0 if row.problem else 1 if peer.slow else way.runs):
            _warm(files)
            # In turns, so that a machine that slows down does it to both.
            pair = [(OURS, ours), (peer, row)][:: -1 if number % 2 else 1]
            for each, into in pair:
                into.add(_run(each, files, expected, way))
            if row.problem or ours.problem:
                break
            row.ratios.append(row.seconds[-1] / ours.seconds[-1])
        if ours.problem:
            break
    return Comparison(size=sum(map(os.path.getsize, files)), files=len(files), rows=rows)


def _look(peer: Peer, python: str) -> Row:
    """A row that tells the peer's version, or that it is not installed."""
    row = Row(name=peer.name)
    found = subprocess.run([python, "-P", "-c", peer.probe()], capture_output=True, text=True, check=False)
    if found.returncode:
        row.missing = True
        row.problem = f"not installed: {(found.stderr.strip().splitlines() or ['no message'])[-1]}"
    row.version = found.stdout.strip()
    return row


def _warm(files: Sequence[str]) -> None:
    """Bring the input into the page cache."""
    for path in files:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def _run(peer: Peer, files: Sequence[str], expected: Sequence[bytes], way: Way) -> Whole:
    """Run a peer once, and check what it wrote."""
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        output, temporary = os.path.join(scratch, "output"), os.path.join(scratch, "tmp")
        os.mkdir(temporary)
        environ = {"TMPDIR": temporary, "SPARK_LOCAL_DIRS": temporary}
        command = ["--input", os.path.dirname(files[0]), "--output", output, "--workers", str(way.workers)]
        if peer is OURS:
            command = [sys.executable, "-m", f"benchmarks.peers.{peer.script}", *command]
            folder, environ = scratch, environ | with_ours()
        else:
            # Their interpreter must not see this one's libraries, so the scripts are a package of the folder above.
            python = os.path.abspath(way.python or sys.executable)
            command = [python, "-m", f"peers.{peer.script}", *command]
            # Lithops starts whatever `python` is.
            folder, environ["PATH"] = FOLDER, os.path.dirname(python) + os.pathsep + os.environ.get("PATH", os.defpath)
        whole = run_whole(command, timeout=way.timeout, folder=folder, environ=environ)
        problem = whole.problem or difference(output, expected)
        return Whole(seconds=whole.seconds, cpu=whole.cpu, problem=problem)


def problems(report: Report) -> list[str]:
    """What went wrong; that a peer is not installed did not."""
    return [
        f"{row.name}: {row.problem}"
        for comparison in report.comparisons
        for row in comparison.rows
        if row.problem and not row.missing
    ]


def sheets(report: Report) -> list[Sheet]:
    """A table for each text, the fastest first."""
    return [_sheet(comparison, report.workers) for comparison in report.comparisons]


def _sheet(comparison: Comparison, workers: int) -> Sheet:
    sheet = Sheet(
        f"Word count of {format_size(comparison.size)} in {comparison.files} files, {workers} workers, whole processes",
        ("", "runs", "median\ns", "least-most\ns", "MB/s", "CPU\ns", "times\nours", "least-most"),
    )
    for row in sorted(comparison.rows, key=lambda row: statistics.median(row.seconds) if row.seconds else float("inf")):
        if not row.seconds or row.problem:
            sheet.notes.append(f"{row.name}: {row.problem}")
            continue
        median = statistics.median(row.seconds)
        sheet.rows.append(
            (
                row.name,
                str(len(row.seconds)),
                f"{median:.2f}",
                spread(row.seconds),
                f"{comparison.size / median / 1e6:.1f}",
                f"{statistics.median(row.cpu):.1f}",
                f"{statistics.median(row.ratios):.2f}" if row.ratios else "1",
                spread(row.ratios) if row.ratios else "",
            )
        )
    versions = ", ".join(f"{row.name} {row.version}" for row in comparison.rows if row.version)
    sheet.notes.append(f"versions: {versions}")
    return sheet
