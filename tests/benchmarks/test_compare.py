"""The comparison of shuffle stores, as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

import driver
from benchmarks.compare.services import find_program
from benchmarks.process import with_ours
from driver.cli import main
from mapreduce.columns import Buffer
from shuffle import Piece
from shuffle.objects import ObjectShuffle

SMALL = ["--text=200KB", "--size=200KB", "--maps=3", "--reduces=4", "--roofline=200KB", "--blocks=10KB,1KB"]
ROOT = Path(__file__).parent.parent.parent
#: All in this process.
ALONE = ["bench", "compare", *SMALL, "--runs=2", "--workers=1"]


def run(*arguments: str) -> object:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main([*ALONE, *arguments])
    return ended.value.code


def test_table(text: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """People get the tables of a folder, and are told how to compare more."""
    assert run() == 0
    told = capsys.readouterr()
    shown = " ".join(told.out.split())
    for piece in (
        "Word count of 200 KB",
        "Shuffle of 200 KB, 3 map tasks x 4 partitions, 1 workers, medians of 2 runs",
        "folder: shuffles beside the client library alone",
        "s3: not compared: name one by --s3",
        "redis: not compared: name one by --redis",
    ):
        assert piece in shown
    assert told.err.splitlines()[0] == "run 1 of 2: words: folder"


@pytest.mark.slow
def test_documents(text: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Machines get all figures, and the tables that people get, on standard output and in a file."""
    output, markdown, drawn = tmp_path / "out.json", tmp_path / "out.md", tmp_path / "out.png"
    assert run("--json", f"--output={output}", f"--markdown={markdown}", f"--picture={drawn}") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(output.read_text())
    folder, s3, redis = told["rows"]
    assert (folder["kind"], s3["kind"], redis["kind"]) == ("file", "s3", "redis")
    assert folder["problem"] == folder["absent"] == ""
    assert "not compared" in s3["absent"]
    assert [one["difference"] for one in folder["words"]] == ["", ""]
    assert [one["requests"]["put"] for one in folder["exchanges"]] == [3, 3]
    assert [(roof["block"], roof["side"], len(roof["runs"])) for roof in folder["roofline"]] == [
        (10_000, 5, 2),
        (1_000, 15, 2),
    ]
    assert told["way"]["runs"] == 2
    assert told["machine"]["processors"] >= 1
    assert told["versions"]["obstore"]
    shuffle = told["tables"][1]
    figures = dict(zip((name for name, _ in shuffle["rows"]), (cell for _, cell in shuffle["rows"]), strict=False))
    assert figures["put requests"] == "3"
    seconds = sorted(one["write"]["seconds"] for one in folder["exchanges"])
    assert figures["write, s"] == f"{sum(seconds) / 2:.3f}"
    *tables, stores = told["tables"]
    page = markdown.read_text()
    for table in tables:
        assert f"### {table['title']}\n" in page
        for row in table["rows"]:
            assert f"| {' | '.join(row)} |" in page
    # Where the stores lie is nobody's business who reads the page.
    assert stores["title"] == "Stores"
    assert stores["title"] not in page
    assert folder["url"] not in page
    with Image.open(drawn) as image:
        assert image.format == "PNG"


def test_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Some parts alone; without words there is no text to be made."""
    assert run("--parts=shuffle", "--json", "--data=/nowhere/at/all") == 0
    told = json.loads(capsys.readouterr().out)
    assert [len(told["rows"][0][name]) for name in ("words", "exchanges", "roofline")] == [0, 2, 0]


def test_wrong_bytes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte that a store changes is found, told, and the exit code says it."""
    read = ObjectShuffle.read

    def change(store: ObjectShuffle, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        return ((piece, bytes(block[:-1]) + bytes([block[-1] ^ 1])) for piece, block in read(store, pieces))

    monkeypatch.setattr(ObjectShuffle, "read", change)
    assert run("--parts=shuffle") == 1
    told = capsys.readouterr()
    assert "WRONG" in told.out
    assert "Error: folder: 12 of 12 pieces are wrong" in told.err


def test_wrong_words(text: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A job with a wrong output is found as well."""

    class Tampering(driver.Driver):
        def run(self, *arguments: Any, **options: Any) -> Any:
            result = super().run(*arguments, **options)
            part = Path(result.output, result.parts[0])
            part.write_bytes(part.read_bytes().replace(b"\t1\n", b"\t7\n", 1))
            return result

    monkeypatch.setattr("benchmarks.compare.words.Driver", Tampering)
    assert run("--parts=words", "--json") == 1
    told = capsys.readouterr()
    assert all("is wrong" in one["difference"] for one in json.loads(told.out)["rows"][0]["words"])
    assert "Error: folder: the output in " in told.err


def test_a_named_store_that_is_not_reached(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told what is wrong with it, the others are compared, and the exit code says it."""
    url = "redis://someone:secret-word@host-that-is-not.invalid:6379"
    assert run("--parts=shuffle", "--json", f"--redis={url}") == 1
    told = capsys.readouterr()
    folder, redis, s3 = json.loads(told.out)["rows"]
    assert len(folder["exchanges"]) == 2
    assert redis["exchanges"] == []
    assert "host-that-is-not.invalid" in redis["problem"]
    assert s3["absent"]
    assert "Error: redis://host-that-is-not.invalid:6379: " in told.err
    assert "secret-word" not in told.out + told.err


def test_a_store_that_fails_midway(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What it failed with is told, and nothing more is asked of it."""

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(ObjectShuffle, "read", fail)
    assert run() == 1
    told = capsys.readouterr()
    assert "Error: folder: " in told.err
    assert told.err.count("run ") < 5


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("--size=many", "--size: 'many' is not a size"),
        ("--text=much", "--text: 'much' is not a size"),
        ("--blocks=1KB,x", "--blocks: 'x' is not a size"),
        ("--parts=lunch", "--parts: there is no part 'lunch'"),
        ("--s3=bucket", "--s3: 'bucket' is no URL of S3"),
        ("--picture=figures.gif", "--picture: figures.gif must end in .png or .svg"),
    ],
)
def test_unusable_arguments(argument: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the option, before anything is measured."""
    assert run(argument) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "run 1" not in told.err


@pytest.mark.slow
@pytest.mark.process
def test_local_services(text: list[str], kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over servers of its own, with processes for workers, all results are right, and nothing of it stays."""
    monkeypatch.chdir(ROOT)  # where `make services` puts them
    if find_program("weed") is None or find_program("valkey-server", "redis-server") is None:
        (pytest.fail if os.environ.get("SERVICES_REQUIRED") else pytest.skip)("servers are missing: `make services`")
    arguments = [*SMALL, "--runs=1", "--square=5", "--requests=2", "--local-services", f"--data={kept}", "--json"]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    before = {process.pid for process in psutil.process_iter()}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", *arguments],
        env={**os.environ, **with_ours(), "TMPDIR": str(temporary), "AWS_PROFILE": "not-to-be-used"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["kind"] for row in told["rows"]] == ["file", "s3", "redis"]
    for row in told["rows"]:
        assert row["problem"] == row["absent"] == ""
        assert [one["difference"] for one in (*row["words"], *row["exchanges"])] == ["", ""]
        assert len(row["roofline"]) == 2
    _, s3, redis = told["rows"]
    assert s3["exchanges"][0]["requests"] == {
        "bytes_read": s3["exchanges"][0]["read"]["size"],
        "bytes_written": s3["exchanges"][0]["write"]["size"],
        "delete": 1,
        "get": 12,
        "put": 3,
    }
    assert s3["dollars"] == pytest.approx((3 * 0.005 + 12 * 0.0004) / 1000)
    [both] = s3["layouts"]
    assert (both["per_map"]["requests"]["put"], both["per_pair"]["requests"]["put"]) == (5, 25)
    assert {cost["client"] for cost in s3["costs"]} >= {"obstore", "boto3"}
    assert [one["difference"] for one in redis["pipelining"]] == [""]
    assert [one["difference"] for one in redis["footprints"]] == [""]
    assert list(temporary.iterdir()) == []
    assert not [
        process for process in psutil.process_iter() if process.pid not in before and str(tmp_path) in _seen(process)
    ]


def _seen(process: psutil.Process) -> str:
    """What tells whose a process is: its command, folder and environment."""
    try:
        return " ".join([*process.cmdline(), process.cwd(), *process.environ().values()])
    except psutil.Error:
        return ""
