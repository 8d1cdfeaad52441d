"""What the acceptance tests share."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import mapreduce

if TYPE_CHECKING:
    from tests.acceptance.cloud import Cloud

pytest.register_assert_rewrite("tests.acceptance.faults", "tests.acceptance.cloud")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of 400 lines of words."""
    chance = random.Random(3)
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{' '.join(str(chance.randrange(50)) for _ in range(5))}\n" for _ in range(400)))
    return path


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Where control keys go."""
    return tmp_path / "storage"


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """At the end of the test this process has no child that it had not before."""
    before = set(psutil.Process().children(recursive=True))
    yield
    assert set(psutil.Process().children(recursive=True)) <= before


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for the marker's content, which names the job."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | ({"_SUCCESS": b""} if "_SUCCESS" in found else {})


#: What `python` is called with to be the command line.
CLI = ("-P", "-c", "from driver.cli import main; main()")


class Python:
    """Starts Python programs in a folder of their own.

    Attributes:
        folder: where programs run, and where their files are.
        temporary: their folder for temporary files.
        home: their user's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.temporary = folder / "tmp"
        self.home = folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.temporary.mkdir()
        (self.folder / "in.txt").write_text("a b a\nc a\n")

    def write(self, files: dict[str, str]) -> None:
        """Write source files, by name."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python with these arguments, in a process group of its own."""
        home = Path(mapreduce.__file__).parent.parent
        known = {name: value for name, value in os.environ.items() if not name.startswith(("MAPREDUCE_", "PYTHON"))}
        environ = {**known, "PYTHONPATH": str(home), "TMPDIR": str(self.temporary), "HOME": str(self.home)}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run Python to its end; returns its exit code, output and errors."""
        with self.start(*arguments) as process:
            output, errors = process.communicate(timeout=100)
        return process.returncode, output, errors

    def output(self, *arguments: str) -> str:
        """The output of a program that succeeds, and says nothing else."""
        code, output, errors = self.run(*arguments)
        assert (code, errors) == (0, "")
        return output


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Starts Python programs."""
    return Python(tmp_path)


@pytest.fixture
def cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An account in which nothing is deployed yet."""
    from tests.acceptance.cloud import account

    with account(tmp_path, capsys, monkeypatch) as made:
        yield made
