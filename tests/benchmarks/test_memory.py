"""Memory, measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import memory
from driver.cli import main


@pytest.mark.process
@pytest.mark.slow
def test_memory(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of the text, all of it, and its groups; all outputs are right."""
    arguments = ["--size=200KB", "--memory=64MB", "--workers=2", f"--data={kept}", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "memory", *arguments])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    small, large, groups = told["runs"]
    assert [one["job"] for one in told["runs"]] == ["words", "words", "groups"]
    assert 9 < large["bytes_in"] / small["bytes_in"] < 12
    assert large["bytes_in"] == groups["bytes_in"]
    assert all(one["peak_memory"] > 1_000_000 < one["driver_peak_memory"] for one in told["runs"])
    assert groups["bytes_in"] > told["largest_group"] > groups["bytes_in"] * 0.75


@pytest.mark.parametrize(("peak", "within"), [(320_000_000, "yes"), (320_000_001, "no")])
def test_within(peak: int, within: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The table says whether workers kept their budget and what is allowed beside it."""
    from rich.console import Console

    one = memory.Run(job="words", bytes_in=1, seconds=1, peak_memory=peak, spilled=2, shuffled=3, driver_peak_memory=4)
    memory.show(memory.Report(machine={}, budget=256_000_000, largest_group=5, runs=[one]), Console(width=100))
    shown = capsys.readouterr().out
    assert "256 MB for a worker, 320 MB allowed" in shown
    assert within in shown.split()


def test_wrong_groups_are_an_error(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that loses a line has not kept its budget."""
    run = dict.fromkeys(("bytes_in", "seconds", "peak_memory", "bytes_spilled", "bytes_shuffled"), 1)
    wrong = {"metrics": run, "driver_peak_memory": 1, "pairs": {"large lines": 1}, "run": {}}
    monkeypatch.setattr(memory, "_child", lambda command: wrong)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "memory", "--size=1000", f"--data={kept}"])
    assert ended.value.code == 1
    assert "Error: the groups are wrong: {'large lines': 1}" in capsys.readouterr().err
