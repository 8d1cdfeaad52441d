"""`mapreduce sort`: any fixed-width records, by any bytes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.sorting.generator import generate
from benchmarks.sorting.sort import parse_key, sort_job
from benchmarks.sorting.validator import validate
from driver import Driver
from driver.cli import main
from mapreduce import ConfigError


def run(*arguments: str) -> object:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(["sort", *arguments, "--executor", "inline"])
    return ended.value.code


@pytest.fixture
def records(tmp_path: Path) -> list[bytes]:
    """Records of 7 bytes with few keys, in two files."""
    found: Any = np.random.default_rng(0).integers(0, 3, (999, 7), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    for number, part in enumerate(np.array_split(found, 2)):
        part.tofile(tmp_path / "in" / str(number))
    return [row.tobytes() for row in found]


def test_sort(records: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The parts are the sorted records; those of equal keys keep their order."""
    arguments = ["--record", "7", "--key", "2:4", "--partitions", "3", "--json"]
    assert run(str(tmp_path / "in"), "--output", str(tmp_path / "out"), *arguments) == 0
    told = json.loads(capsys.readouterr().out)
    data = b"".join((tmp_path / "out" / part).read_bytes() for part in told["parts"])
    expected = sorted(records, key=lambda record: record[2:4])
    assert data == b"".join(expected)
    assert told["metrics"]["records_out"] == 999


def test_a_sentence(records: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """People are told how much was sorted, and where it is."""
    assert run(str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--record", "7", "--key", "0:7") == 0
    assert "999 records, 7.0 KB, in 2 parts in" in capsys.readouterr().err


@pytest.mark.parametrize("layout", ["binary", "ascii"])
def test_skewed(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sort benchmark's skewed keys make parts of about one size, by a sample of a few of them."""
    made = generate(100_000, str(tmp_path / "in"), layout=layout, skewed=True, parts=3, workers=1)
    arguments = ["--partitions", "10", "--split-size", "2MB", "--json"]
    assert run(str(tmp_path / "in"), "--output", str(tmp_path / "out"), *arguments) == 0
    told = json.loads(capsys.readouterr().out)
    found = validate(tmp_path / "out", workers=1)
    assert found.difference(100_000, made.checksum) == ""
    assert max(part.records for part in found.parts.values()) <= 1.5 * 100_000 / 10
    assert told["rounds"][0]["kind"] == "sample"
    assert told["rounds"][0]["records_in"] <= 10_000


@pytest.mark.slow
@pytest.mark.process
def test_memory_is_bounded(tmp_path: Path) -> None:
    """A partition of more than twice the memory is sorted by a worker that keeps to its memory."""
    memory, records = 64_000_000, 1_500_000
    made = generate(records, str(tmp_path / "in"), parts=2)
    with Driver(storage=tmp_path / "storage", memory=memory, workers=2) as driver:
        result = driver.run(sort_job(), tmp_path / "in", tmp_path / "out", 1)
    assert validate(tmp_path / "out").difference(records, made.checksum) == ""
    assert result.rounds[-1].spilled >= 100 * records
    assert result.metrics["peak_memory"] < memory + 64_000_000


@pytest.mark.parametrize(
    ("records", "partitions"),
    [(0, 4), (1, 4), (30, 100)],
    ids=["none", "one", "fewer than parts"],
)
def test_few(records: int, partitions: int, tmp_path: Path) -> None:
    """Files without records, and fewer records than parts, are sorted as others are."""
    made = generate(records, str(tmp_path / "in"), parts=2, workers=1)
    assert run(str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--partitions", str(partitions)) == 0
    found = validate(tmp_path / "out", workers=1)
    assert found.difference(records, made.checksum) == ""
    assert len(found.parts) == partitions


def test_refusals(records: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong width, and a key outside the record, are told before anything is written."""
    place = ["--output", str(tmp_path / "out")]
    assert run(str(tmp_path / "in"), *place, "--record", "8", "--key", "0:8") == 1
    assert "3500 bytes, which is no multiple of the 8 bytes of a record" in capsys.readouterr().err
    assert run(str(tmp_path / "in"), *place) == 1
    assert "no multiple of the 100 bytes" in capsys.readouterr().err
    assert run(str(tmp_path / "in"), *place, "--record", "7") == 1
    assert "key must be (start, end) within a record of 7 bytes, not (0, 10)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_keys() -> None:
    """A key is written as the bytes from its start to its end."""
    assert parse_key(" 4:14 ") == (4, 14)
    for text in ("", "4", "4-14", "a:b", "-1:3"):
        with pytest.raises(ConfigError, match="is no range of bytes; write it like 0:10"):
            parse_key(text)
