"""What the acceptance tests share."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


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
