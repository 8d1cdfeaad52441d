"""The demo counts the words of real text, and shows all that a result tells."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

from benchmarks.demo import sources
from driver.cli import main

WORDS = "import os\nfor Os in os.environ:\n    print(os, 'été')\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A standard library of three files, one of them in another encoding, beside what is no part of it."""
    folder = tmp_path / "lib"
    (folder / "test").mkdir(parents=True)
    (folder / "site-packages").mkdir()
    (folder / "a.py").write_text(WORDS, encoding="utf-8")
    (folder / "b.py").write_text("os = 1  # os\n", encoding="utf-8")
    (folder / "test" / "latin.py").write_bytes("# été os\n".encode("latin-1"))
    (folder / "site-packages" / "other.py").write_text("os os os os\n", encoding="utf-8")
    (folder / "os.txt").write_text("os os os os\n", encoding="utf-8")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(folder))
    return folder


def demo(*arguments: str) -> object:
    """The exit code of the demo."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--executor", "inline", *arguments])
    return ended.value.code


@pytest.mark.usefixtures("library")
def test_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The most frequent words, each round with its time, the counters, and where the output lies."""
    assert demo() == 0
    shown, progress = capsys.readouterr()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines()]
    assert cells[4:6] == [["os", "7"], ["été", "1"]]
    maps, reduces = (row for row in cells if row and row[0] in ("0: map", "1: reduce"))
    assert maps[2] == f"5 ({sum(map(os.path.getsize, sources()))} B)"
    assert (reduces[1], reduces[3][:2]) == ("2", "7 ")
    assert float(maps[4]) >= 0 <= float(reduces[4])
    assert "lines: 5\n" in shown
    assert "different words: 7\n" in shown
    assert shown.rstrip().endswith(f"output: {os.path.abspath('demo-output')}")
    assert "round 1: reduce" in progress
    lines = sorted(line for part in Path("demo-output").glob("part-*") for line in part.read_text("utf-8").splitlines())
    assert lines == ["environ\t1", "for\t1", "import\t1", "in\t1", "os\t7", "print\t1", "été\t1"]


@pytest.mark.usefixtures("library")
def test_once_more() -> None:
    """It replaces its own output, and no folder of somebody else's."""
    assert demo() == demo() == 0
    Path("mine").mkdir()
    Path("mine", "part-00000").touch()
    assert demo("--output", "mine") == 1
    assert list(Path("mine").iterdir()) == [Path("mine", "part-00000")]


def test_sources() -> None:
    """On every machine there are tens of megabytes, of modules that are installed with Python itself."""
    files = sources()
    assert sum(map(os.path.getsize, files)) > 10_000_000
    assert not [file for file in files if "site-packages" in file]
