"""A comparison as a section of a page of the documentation."""

from __future__ import annotations

from benchmarks.compare.report import Report
from benchmarks.compare.sheets import figures
from benchmarks.page import section

_TEXT = """
Servers and clients share the machine, and latencies of AWS are others: this compares stores and clients, not services.
{servers}

*Share* is a median of ratios within pairs of runs, so that the columns of MB/s need not agree with it. What goes into a
folder is in the page cache when the clock stops; the disk takes it before the next clock starts.
"""


def page_section(report: Report, command: str) -> str:
    """The report's section; `command` is what made it."""
    servers = "; ".join(f"{row.name} is {row.server}" for row in report.rows if row.server)
    text = _TEXT.format(servers=f"{servers}." if servers else "")
    return section("Figures", text, command, {**report.machine, **report.versions}, figures(report))
