"""The overhead of jobs that do nothing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmarks import overhead


@pytest.mark.process
def test_overhead() -> None:
    """Everything is measured as often as asked for, tasks are as many as asked for, and requests are counted."""
    report = overhead.run(workers=2, tasks=20, runs=2)
    assert len(report.process_seconds) == len(report.job_seconds) == len(report.tasks_seconds) == 2
    assert report.task_milliseconds == pytest.approx(sum(report.tasks_seconds) / 2 / 20 * 1000)
    assert report.requests["get"] >= 20
    assert len(report.cold_seconds) == 2
    assert min(min(pair) for pair in report.cold_seconds) > 0
    console = Console(file=io.StringIO(), width=80)
    overhead.show(report, console)
    assert isinstance(console.file, io.StringIO)
    assert "job of 20 no-op tasks" in console.file.getvalue()
    assert "imports of a function's handler" in console.file.getvalue()
    assert "a task: " in console.file.getvalue()
