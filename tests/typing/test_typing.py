"""A type checker takes right jobs, finds their types, and refuses wrong ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mapreduce

pytest.importorskip("mypy")
pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has found out of the packages, it need not find out again."""
    return tmp_path_factory.mktemp("mypy")


def errors(path: Path, cache: Path) -> set[int]:
    """The lines of the errors that mypy finds in a file."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--follow-imports=silent",
            f"--cache-dir={cache}",
            path,
        ],
        env={**os.environ, "MYPYPATH": str(Path(mapreduce.__file__).parent.parent)},
        capture_output=True,
        text=True,
        cwd=path.parent,
        check=False,
    )
    assert done.stderr == ""
    found = re.findall(rf"^{path.name}:(\d+): error: ", done.stdout, re.MULTILINE)
    assert len(found) == done.stdout.count(": error: "), done.stdout
    return set(map(int, found))


def test_right_jobs(cache: Path) -> None:
    """The right jobs have no error, and the types that they are said to have."""
    assert errors(HERE / "right.py", cache) == set()


def test_wrong_jobs(cache: Path) -> None:
    """Each marked line of the wrong jobs has an error, and no other line has any."""
    lines = (HERE / "wrong.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("  # error")}
    assert len(marked) > 20
    assert errors(HERE / "wrong.py", cache) == marked
