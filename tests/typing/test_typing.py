"""What a type checker makes of jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="comes with the dev extra; the test extra alone has no type checker")

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


def errors(name: str) -> set[int]:
    """The lines of a file beside this one at which mypy, strict, finds an error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--no-error-summary"]
    found = subprocess.run([*command, str(_HERE / name)], capture_output=True, text=True, cwd=_ROOT, check=False)
    assert not found.stderr, found.stderr
    lines = [line.split(":") for line in found.stdout.splitlines() if ": error:" in line]
    return {int(line[1]) for line in lines if line[0].endswith(name)}


@pytest.mark.slow
def test_right_jobs_are_accepted() -> None:
    """Annotated mappers, reducers, folds and results need no casts and no ignores."""
    assert errors("right.py") == set()


@pytest.mark.slow
def test_wrong_jobs_are_refused_where_they_are_wrong() -> None:
    """Each line marked as an error is one, and no other line is."""
    lines = (_HERE / "wrong.py").read_text().splitlines()
    assert errors("wrong.py") == {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
