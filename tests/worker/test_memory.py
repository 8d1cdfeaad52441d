"""A worker keeps to its memory, whatever the size of the data, a group, a value or a table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.worker.heavy import JOBS, MEMORY

ROOT = Path(__file__).parents[2]
#: What a worker may use beyond its budget.
TOLERANCE = 64_000_000


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("name", JOBS)
def test_memory_is_bounded(name: str, tmp_path: Path) -> None:
    """A job of several times the memory ends with the right result, and within the memory."""
    command = [sys.executable, "-m", "tests.worker.heavy", name, str(tmp_path)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert report["found"] == report["expected"]
    assert max(report["peaks"]) < MEMORY + TOLERANCE, report
