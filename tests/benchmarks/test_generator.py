"""What the classes cost beyond the user's generator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import generator
from driver.cli import main


def test_generator(text: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every step is timed as often as asked for, and the page says what the jobs take beyond the generator."""
    page = tmp_path / "page.md"
    with pytest.raises(SystemExit) as ended:
        main(["bench", "generator", "--size", "200KB", "--runs", "2", "--json", "--markdown", str(page)])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(times) for times in told["seconds"].values()] == [2] * 5
    assert told["problems"] == []
    rows = [line for line in page.read_text().splitlines() if line.startswith("| the job")]
    assert len(rows) == 2
    assert all("%" in row for row in rows)


def test_wrong_counts(text: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A job that counts wrongly is told, and fails."""
    monkeypatch.setitem(generator._STEPS, "the job, word by word", lambda files: {"wrong": len(files)})
    with pytest.raises(SystemExit) as ended:
        main(["bench", "generator", "--size", "200KB", "--runs", "1"])
    assert ended.value.code == 1
    assert "the job, word by word: the counts are wrong" in capsys.readouterr().err
