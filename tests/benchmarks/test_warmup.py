"""The benchmark of warm-up."""

from __future__ import annotations

import io
import os

import pytest
from rich.console import Console

from benchmarks import warmup
from driver.executors.lambda_ import LambdaExecutor

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_warmup() -> None:
    """Both ways are measured as often as asked for, and everything is as before when that is done."""
    warm, before = LambdaExecutor.warm, dict(os.environ)
    report = warmup.run(tasks=5, runs=1, map_seconds=0.6)
    assert (len(report.cold), len(report.warm)) == (1, 1)
    assert LambdaExecutor.warm is warm
    assert dict(os.environ) == before
    console = Console(file=io.StringIO(), width=100)
    warmup.show(report, console)
    assert isinstance(console.file, io.StringIO)
    assert "Reduce round of 5 tasks" in console.file.getvalue()
