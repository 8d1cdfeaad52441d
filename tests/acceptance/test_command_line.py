"""The command line in processes of its own, whose workers are processes too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import CLI, Python
from tests.test_cli import COUNTED, JOBS, ONE_JOB

pytestmark = pytest.mark.process

MAIN = """
if __name__ == "__main__":
    from driver import Driver
    print(sorted(Driver(storage="storage").run(good, "in.txt")))
"""


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Starts Python programs in a folder with jobs."""
    python = Python(tmp_path)
    python.write({"jobs.py": JOBS})
    return python


def test_processes(python: Python) -> None:
    """In processes too standard output has the pairs alone."""
    code, output, errors = python.run(*CLI, "run", "jobs.py:good", "in.txt", "--workers", "2", "--memory", "128MB")
    assert (code, sorted(output.splitlines())) == (0, COUNTED)
    assert errors.count("a mapper prints") == 2


def test_error_in_a_process(python: Python) -> None:
    """A worker's exception is told, and the exit code is 1."""
    code, output, errors = python.run(*CLI, "run", "jobs.py:bad", "in.txt", "--retries", "0", "--output", "out")
    assert (code, output) == (1, "")
    assert "LookupError: no c, please" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert list((python.folder / "out").iterdir()) == []


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_closed_pipe(python: Python, more: list[str]) -> None:
    """Output to somebody who has read enough ends quietly."""
    with python.start(*CLI, "run", "jobs.py:many", "in.txt", *more) as process:
        assert process.stdout is not None
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert "BrokenPipe" not in errors


def test_script_of_the_readme(python: Python) -> None:
    """A file that makes its own driver runs by itself, and as a job of the command line."""
    python.write({"my_job.py": ONE_JOB + MAIN})
    code, output, _ = python.run("my_job.py")
    assert (code, output) == (0, "read\n[('a', 3), ('b', 1), ('c', 1)]\n")
    code, output, _ = python.run(*CLI, "run", "my_job.py", "in.txt")
    assert (code, sorted(output.splitlines())) == (0, COUNTED)
