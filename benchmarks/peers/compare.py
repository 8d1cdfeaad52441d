"""The comparison: whole processes, each beside those of ours, every output checked."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.contests import Contest
from benchmarks.process import FOLDER, Whole, machine, run_whole, with_ours


@dataclass(frozen=True, kw_only=True)
class Way:
    """How to compare.

    Attributes:
        python: the interpreter that has the peers; None: this one.
        workers: how many processes, or threads, work at once.
        runs: how often each peer runs, beside ours.
        once: seconds; a peer that takes longer does not run again.
        timeout: seconds that one run may take.
    """

    python: str | None = None
    workers: int = 2
    runs: int = 3
    once: float = 30.0
    timeout: float = 900.0


@dataclass(kw_only=True)
class Row:
    """What the runs of one framework took.

    Attributes:
        name: of the peer.
        version: of its framework.
        seconds: of each run.
        cpu: seconds of processors of each run.
        ratios: of each run to the run beside it of each of ours, in seconds, by the name of that.
        problem: why there are no runs, or what is wrong with one; "" if all is right.
        missing: whether the peer is not installed, which is no failure.
    """

    name: str
    version: str = ""
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    problem: str = ""
    missing: bool = False

    def add(self, whole: Whole) -> None:
        """Take down a run."""
        if whole.problem:
            self.problem = whole.problem
        else:
            self.seconds.append(whole.seconds)
            self.cpu.append(whole.cpu)

    def compare(self, own: Row) -> None:
        """Take down how the last run compares with the last one of ours."""
        self.ratios.setdefault(own.name, []).append(self.seconds[-1] / own.seconds[-1])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The figures of one contest.

    Attributes:
        what: is done, "words" or "sort".
        title: of the contest.
        size: bytes of input.
        ours: names of the rows of this package; these come first.
        rows: of all who took part.
    """

    what: str
    title: str
    size: int
    ours: list[str]
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All figures.

    Attributes:
        machine: what they depend on.
        workers: how many processes, or threads, worked at once.
        once: seconds; a peer that took longer did not run again.
        comparisons: one for each contest.
    """

    machine: dict[str, Any]
    workers: int
    once: float
    comparisons: list[Comparison]


def run(contests: Iterable[Contest], way: Way, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Compare at these contests; `tell` takes a line about each step."""
    return Report(
        machine=machine(),
        workers=way.workers,
        once=way.once,
        comparisons=[_compare(contest, way, tell) for contest in contests],
    )


def _compare(contest: Contest, way: Way, tell: Callable[[str], None]) -> Comparison:
    version = f"mapreduce {machine()['mapreduce']}"
    ours = [(one, Row(name=one.name, version=version)) for one in contest.ours]
    rows = [row for _, row in ours]
    for peer in contest.peers:
        row = _look(peer, way.python or sys.executable)
        rows.append(row)
        for number in range(0 if row.problem else way.runs):
            tell(f"{contest.title}: {peer.name}, run {number + 1} of {way.runs}")
            _run_beside(contest, [*ours, (peer, row)], way, number)
            if row.problem or any(own.problem for _, own in ours) or row.seconds[-1] > way.once:
                break
        if any(own.problem for _, own in ours):
            break
    return Comparison(
        what=contest.what,
        title=contest.title,
        size=contest.size,
        ours=[one.name for one in contest.ours],
        rows=rows,
    )


def _run_beside(contest: Contest, group: Sequence[tuple[Peer, Row]], way: Way, number: int) -> None:
    """Run a peer, the last of a group, and ours once each."""
    # In turns, so that a machine that slows down does it to all.
    for peer, row in group[:: -1 if number % 2 else 1]:
        row.add(_run(peer, contest, way))
    rows = [row for _, row in group]
    if not any(row.problem for row in rows):
        for row in rows:
            for own in rows[:-1]:
                row.compare(own)


def _look(peer: Peer, python: str) -> Row:
    """A row that tells the peer's version, or that it is not installed."""
    row = Row(name=peer.name)
    found = subprocess.run([python, "-P", "-c", peer.probe()], capture_output=True, text=True, check=False)
    if found.returncode:
        row.missing = True
        row.problem = f"not installed: {(found.stderr.strip().splitlines() or ['no message'])[-1]}"
    row.version = found.stdout.strip()
    return row


def _prepare(files: Sequence[str]) -> None:
    """Bring the input into the page cache, and what was written before out of the way."""
    os.sync()
    for path in files:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass


def _run(peer: Peer, contest: Contest, way: Way) -> Whole:
    """Run a peer once, and check what it wrote."""
    _prepare(contest.files)
    with tempfile.TemporaryDirectory(prefix="peers-") as scratch:
        output, temporary = os.path.join(scratch, "output"), os.path.join(scratch, "tmp")
        os.mkdir(temporary)
        environ = {"TMPDIR": temporary, "SPARK_LOCAL_DIRS": temporary}
        command = ["--input", os.path.dirname(contest.files[0]), "--output", output, "--workers", str(way.workers)]
        if peer.ours:
            command = [sys.executable, "-m", f"benchmarks.peers.{peer.script}", *command]
            folder, environ = scratch, environ | with_ours()
        else:
            # Their interpreter must not see this one's libraries, so the scripts are a package of the folder above.
            python = os.path.abspath(way.python or sys.executable)
            command = [python, "-m", f"peers.{peer.script}", *command]
            # Lithops starts whatever `python` is; what some start does not look for modules here unless it is told.
            path = os.path.dirname(python) + os.pathsep + os.environ.get("PATH", os.defpath)
            folder, environ = FOLDER, environ | {"PATH": path, "PYTHONPATH": FOLDER}
        whole = run_whole(command, timeout=way.timeout, folder=folder, environ=environ)
        problem = whole.problem or contest.check(output)
        return Whole(seconds=whole.seconds, cpu=whole.cpu, problem=problem)


def problems(report: Report) -> list[str]:
    """What went wrong; that a peer is not installed did not."""
    return [
        f"{row.name}: {row.problem}"
        for comparison in report.comparisons
        for row in comparison.rows
        if row.problem and not row.missing
    ]
