"""Terasort as a benchmark: every run is validated, and says what is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import driver
from benchmarks.sorting.validator import validate
from driver.cli import main

ARGUMENTS = ["bench", "terasort", "--size", "300KB", "--executor", "inline"]


class Tampering(driver.Driver):
    """Changes the output."""

    change = staticmethod(lambda data: data)

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Run a job, and then."""
        result = super().run(*arguments, **options)
        part = Path(result.output, result.parts[0])
        part.write_bytes(self.change(part.read_bytes()))
        return result


def run(arguments: list[str]) -> object:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """People get each phase, and the sentence that all is right."""
    assert run(ARGUMENTS) == 0
    shown = capsys.readouterr().out
    for piece in ("generate", "sample", "map", "of these, shuffle", "reduce", "sort in all", "validate", "MB/s"):
        assert piece in shown
    for piece in (
        "spilled: 0 B",
        "requests of map",
        "largest part: 1.",
        "price of",
        "in order, check",
    ):
        assert piece in shown


@pytest.mark.parametrize("layout", ["binary", "ascii", "teragen"])
@pytest.mark.parametrize("skewed", [False, True])
def test_json(layout: str, skewed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get one document; what is kept is sorted, and no part is much larger than others."""
    options = ["--size", "3MB", "--format", layout, "--partitions", "6", "--split-size", "400KB"]
    options += ["--skewed"] * skewed
    if layout == "teragen" and skewed:
        assert run([*ARGUMENTS, *options]) == 1
        assert "skewed" in capsys.readouterr().err
        return
    assert run([*ARGUMENTS, *options, "--data", "in", "--output", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = validate([str(tmp_path / "out")])
    assert found.in_order
    assert (told["records"], told["problem"]) == (found.total.records, "") == (30_000, "")
    assert told["checksum"] == f"{found.total.checksum:x}" == f"{validate([str(tmp_path / 'in')]).total.checksum:x}"
    assert told["largest"] == max(part.records for part in found.parts.values()) / 5_000
    assert 1 < told["largest"] <= 1.5
    assert [one["kind"] for one in told["rounds"]] == ["sample", "map", "reduce"]
    assert told["metrics"]["bytes_shuffled"] > 3_000_000
    assert told["shuffle_requests"]["put"] >= told["rounds"][1]["tasks"]
    assert float(told["price"]) > 0


def test_price(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is of the tasks' seconds times their memory, their number, and their requests, but for those to Redis."""
    seconds, requests = 1_000_000, {"put": 1_000, "redis_pipelines": 10**9}
    result = driver.Driver.run

    def run_long(*arguments: Any, **options: Any) -> Any:
        found = result(*arguments, **options)
        found.rounds = tuple(
            dataclasses.replace(one, task_seconds=seconds, attempts=10**6, requests=requests) for one in found.rounds
        )
        return found

    monkeypatch.setattr(driver.Driver, "run", run_long)
    assert run([*ARGUMENTS, "--memory", "1GB", "--json"]) == 0
    each = 16.6667 + 0.2 + 0.005
    assert float(json.loads(capsys.readouterr().out)["price"]) == pytest.approx(3 * each)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[100:200] + data[:100] + data[200:], "records are out of order, the first of them record 1"),
        (lambda data: data[100:], "2999 records of checksum"),
        (lambda data: data[:50] + b"?" + data[51:], "3000 records of checksum"),
    ],
    ids=["order", "loss", "damage"],
)
def test_wrong_output(
    change: Any, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Output that is not the sorted input is told, and the exit code says it."""
    monkeypatch.setattr(Tampering, "change", staticmethod(change))
    monkeypatch.setattr(driver, "Driver", Tampering)
    assert run(ARGUMENTS) == 1
    assert message in capsys.readouterr().err
