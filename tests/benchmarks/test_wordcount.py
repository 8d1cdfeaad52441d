"""Word count as a benchmark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import driver
from benchmarks.process import with_ours
from driver.cli import main

ARGUMENTS = ["bench", "wordcount", "--size", "200KB", "--executor", "inline"]


class Tampering(driver.Driver):
    """Changes one byte of the output."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Run a job, and then."""
        result = super().run(*arguments, **options)
        part = Path(result.output, result.parts[0])
        part.write_bytes(part.read_bytes().replace(b"\t1\n", b"\t7\n", 1))
        return result


def run(arguments: list[str]) -> object:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_table(text: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """People get each round, and the sentence that all is right."""
    assert run(ARGUMENTS) == 0
    shown = capsys.readouterr().out
    for piece in ("0: map", "1: reduce", "in all", "throughput", "bytes shuffled", "peak memory of the driver"):
        assert piece in shown
    assert "the same, byte for byte" in shown


def test_json(text: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get one document, and nothing else on standard output."""
    assert run([*ARGUMENTS, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["difference"] == ""
    assert told["files"] == 8
    assert [one["kind"] for one in told["rounds"]] == ["map", "reduce"]
    assert told["metrics"]["bytes_in"] == sum(Path(path).stat().st_size for path in text)
    assert told["metrics"]["bytes_shuffled"] > 0
    assert told["seconds"] > 0
    assert told["driver_peak_memory"] > 1_000_000


def test_output_is_kept(text: list[str], tmp_path: Path) -> None:
    """Where a folder is given, the output stays in it."""
    assert run([*ARGUMENTS, "--output", str(tmp_path / "counts"), "--partitions", "3"]) == 0
    assert len(list((tmp_path / "counts").glob("part-*"))) == 3


def test_wrong_output(text: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong byte is an error that shows it."""
    monkeypatch.setattr(driver, "Driver", Tampering)
    assert run([*ARGUMENTS, "--json"]) == 1
    told = capsys.readouterr()
    assert "\\t1\\n' should be there is b'" in json.loads(told.out)["difference"]
    assert "Error: the output in " in told.err


def test_unusable_size(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the option."""
    assert run(["bench", "wordcount", "--size", "many"]) == 1
    assert "--size: 'many' is not a size" in capsys.readouterr().err


@pytest.mark.process
def test_as_a_module(text: list[str], kept: Path, tmp_path: Path) -> None:
    """`python -m benchmarks.wordcount` is the same command, here with processes for workers."""
    command = [sys.executable, "-m", "benchmarks.wordcount", "--size=200KB", f"--data={kept}", "--workers=2", "--json"]
    told = subprocess.run(command, env={**os.environ, **with_ours()}, cwd=tmp_path, check=True, capture_output=True)
    assert json.loads(told.stdout)["difference"] == ""
