"""The comparison's tables, and its sections of the page."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from benchmarks.page import section
from benchmarks.peers.compare import Comparison, Report, Row
from benchmarks.sheet import Sheet, spread

_TITLES = {"words": "Word count: this package and others", "sort": "Sort: this package and others"}
_MEASURED = """\
Whole processes, from the start of the interpreter to its exit: start-up of sessions and clusters is part of it. The
input is in the page cache, the output goes to a local folder, and all get {workers} processes or threads. Whoever is
compared runs beside this package, in turns. *Times ours* is the ratio of seconds within such runs, its median and its
least and most; it is above 1 where ours is faster. Who took longer than {once:g} s ran once. *CPU* lacks what daemons
keep to themselves of their children, as some of Ray's and Spark's do.

"""
_WORK = {
    "words": """\
The text is review-like, and a word is what `str.split` gives. `ours` is the mapper and reducer of the README. That
mapper does nothing but yield the words of its line, so they are counted by arrays; `ours_records` has a condition in
the loop, and runs word by word in Python. `ours_batch` is a batch mapper (`mapreduce bench wordcount --batch`). Every
output was compared with that of a plain Counter, byte for byte. `pool_counter` is what one writes by hand, a
`multiprocessing.Pool` with a Counter for each file. The scripts are in
[benchmarks/peers/words](../benchmarks/peers/words).
""",
    "sort": """\
The records are those of the sort benchmark (`mapreduce gensort`), 100 bytes with a key of 10. `ours` is the job of
`mapreduce sort`. Every output was validated: its order, and the number and the checksum of its records. `numpy_pool`
is what one writes by hand, a `multiprocessing.Pool` whose processes sort with NumPy and exchange files; `ray_tasks`
and `lithops` do the same within these frameworks. Some read lines alone, and have a table of their own. The scripts
are in [benchmarks/peers/sort](../benchmarks/peers/sort).
""",
}


def sections(report: Report, command: str) -> Iterator[tuple[str, str]]:
    """The sections of the page that a report gives, by name; `command` is what made it."""
    for what, work in _WORK.items():
        if chosen := [comparison for comparison in report.comparisons if comparison.what == what]:
            measured = _MEASURED.format(workers=report.workers, once=report.once)
            tables = [_sheet(comparison) for comparison in chosen]
            yield what, section(_TITLES[what], measured + work, command, report.machine, tables)


def sheets(report: Report) -> list[Sheet]:
    """A table for each contest, the fastest first."""
    return [_sheet(comparison) for comparison in report.comparisons]


def _sheet(comparison: Comparison) -> Sheet:
    columns = [column for name in comparison.ours for column in (f"times\n{name}", "least-most")]
    sheet = Sheet(comparison.title, ("", "runs", "median\ns", "least-most\ns", "MB/s", "CPU\ns", *columns))
    for row in sorted(comparison.rows, key=lambda row: statistics.median(row.seconds or [math.inf])):
        if row.problem:
            sheet.notes.append(f"{row.name}: {row.problem}")
        elif row.seconds:
            sheet.rows.append(_figures(row, comparison))
    sheet.notes.append(f"versions: {', '.join(dict.fromkeys(row.version for row in comparison.rows if row.version))}")
    return sheet


def _figures(row: Row, comparison: Comparison) -> list[str]:
    median = statistics.median(row.seconds)
    cells = [row.name, str(len(row.seconds)), f"{median:.2f}", spread(row.seconds)]
    cells += [f"{comparison.size / median / 1e6:.1f}", f"{statistics.median(row.cpu):.1f}"]
    for name in comparison.ours:
        ratios = row.ratios.get(name, [])
        alone = name == row.name or not ratios
        cells += (
            ["1" if name == row.name else "", ""] if alone else [f"{statistics.median(ratios):.2f}", spread(ratios)]
        )
    return cells
