"""The command line, as a person at a terminal meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from driver.cli import main

JOB = """
from mapreduce import FoldBy, Job, Mapper, Reducer
import operator

class Words(Mapper):
    def map(self, line):
        self.task.count("lines")
        for word in line.split():
            yield word, 1

class Total(Reducer):
    def reduce(self, word, counts):
        yield word, sum(counts)

class Broken(Mapper):
    def map(self, line):
        raise ValueError("no such word")

class Chatty(Words):
    def map(self, line):
        print("chatter")
        yield from super().map(line)

"""
ONE = JOB + "words = Job(mapper=Words(), combiner=sum, reducer=Total())\n"
TEXT = "a b a\nc a\n\nb é\n"
COUNTS = Counter(TEXT.split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a job and an input."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAPREDUCE_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("MAPREDUCE_EXECUTOR", "inline")
    (tmp_path / "job.py").write_text(ONE)
    (tmp_path / "in.txt").write_text(TEXT)
    return tmp_path


def call(*arguments: str) -> int:
    """The exit code of the command in this process."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code if isinstance(ended.value.code, int) else 1


def counts(text: str) -> dict[str, int]:
    """Printed pairs."""
    return {word: int(count) for word, count in (line.split("\t") for line in text.splitlines())}


def test_pairs_are_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an output folder standard output holds the pairs and nothing else."""
    assert call("run", "job.py", "in.txt") == 0
    assert counts(capsys.readouterr().out) == COUNTS
    assert not list((folder / "storage").rglob("*.*"))


def test_output_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one, it holds the parts, and what happened is told on standard error."""
    options = ["--partitions", "3", "--workers", "2", "--split-size", "4B", "--memory", "100MB", "--retries", "1"]
    assert call("run", "job.py:words", "in.txt", "--output", "out", "--shuffle", "shuffled", *options) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "4 pairs in 3 parts" in err
    assert "lines: 4" in err
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "_SUCCESS",
        *(f"part-0000{number}" for number in range(3)),
    ]
    assert counts("".join(path.read_text() for path in sorted((folder / "out").glob("part-*")))) == COUNTS


def test_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result is replaced only when that is asked for."""
    assert call("run", "job.py", "in.txt", "--output", "out") == 0
    assert call("run", "job.py", "in.txt", "--output", "out") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert call("run", "job.py", "in.txt", "--output", "out", "--overwrite") == 0


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document for machines, with the pairs where there is no folder for them."""
    assert call("run", "job.py", "in.txt", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert dict(told["pairs"]) == COUNTS
    assert told["counters"] == {"lines": 4}
    assert [one["kind"] for one in told["rounds"]] == ["map", "reduce"]
    assert call("run", "job.py", "in.txt", "--json", "--output", "out") == 0
    assert "pairs" not in json.loads(capsys.readouterr().out)


def test_keep_intermediates(folder: Path) -> None:
    """What a job wrote on its way is there to look at."""
    assert call("run", "job.py", "in.txt", "--output", "out", "--keep-intermediates", "--storage", "kept") == 0
    assert {path.name for path in (folder / "kept").rglob("*")} >= {"job.json", "plan.0", "done", "shuffle"}


def test_chain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of jobs can be named."""
    more = "chain = [Job(mapper=Words()), Job(reducer=FoldBy(operator.add))]\n"
    (folder / "job.py").write_text(JOB + more)
    assert call("run", "job.py:chain", "in.txt") == 0
    assert counts(capsys.readouterr().out) == COUNTS


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.py", "in.txt"], "there is no file 'absent.py'"),
        (["job.py", "absent.txt"], "'absent.txt' matches no file"),
        (["job.py:other", "in.txt"], "it has words"),
        (["job.py", "in.txt", "--workers", "many"], "argument workers: 'many'"),
        (["job.py", "in.txt", "--memory", "1MB"], "argument memory: '1MB' is too little"),
        (["job.py", "in.txt", "--executor", "cloud"], "'cloud' is none of inline, local"),
        (["job.py", "in.txt", "--shuffle", "gopher://x"], "no store serves 'gopher://x'"),
        (["job.py", "in.txt", "--output", "."], "holds the input"),
    ],
)
def test_wrong_calls(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    """Each is told in one paragraph on standard error, without a traceback, and nothing is started."""
    assert call("run", *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1


def test_several_jobs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with more than one job asks which."""
    (folder / "job.py").write_text(ONE + "again = Job(mapper=Words())\n")
    assert call("run", "job.py", "in.txt") == 1
    assert "job.py:NAME with NAME one of words, again" in capsys.readouterr().err


def test_job_file_that_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line of the user's file is named."""
    (folder / "job.py").write_text("import math\nmath.nothing\n")
    assert call("run", "job.py", "in.txt") == 1
    assert "job.py, line 2: AttributeError" in capsys.readouterr().err


def test_failing_task(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The remote exception, its place, the record and the file are told; the traceback only to who asks."""
    (folder / "job.py").write_text(JOB + "broken = Job(mapper=Broken())\n")
    assert call("run", "job.py", "in.txt", "--output", "out") == 1
    told = capsys.readouterr().err
    for part in ("ValueError: no such word", "job.py:", "in map", "'a b a'", "in.txt"):
        assert part in told.splitlines()[-1]
    assert "Traceback" not in told
    assert not (folder / "out" / "_SUCCESS").exists()
    assert call("--debug", "run", "job.py", "in.txt") == 1
    told = capsys.readouterr().err
    assert "In the worker:\nTraceback" in told
    assert 'raise ValueError("no such word")' in told


@pytest.mark.parametrize("command", [[], ["run"], ["demo"], ["bench"], ["bench", "wordcount"]], ids=" ".join)
def test_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    assert call(*command, "--help") == 0
    assert capsys.readouterr().out.startswith(f"Usage: {' '.join(['mapreduce', *command])}")


def test_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A call without input is a wrong use, code 2; the version is one line."""
    assert call("run", "job.py") == 2
    assert call("run", "job.py", "in.txt", "--no-such-option") == 2
    assert "Usage" in capsys.readouterr().err
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("mapreduce, version ")


def process(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-c", "from driver.cli import main; main()", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.process
def test_users_prints_stay_out_of_the_output(folder: Path) -> None:
    """What mappers print in worker processes goes to standard error."""
    (folder / "job.py").write_text(JOB + "words = Job(mapper=Chatty(), combiner=sum, reducer=Total())\n")
    out, err = process(folder, "run", "job.py", "in.txt", "--executor", "local").communicate(timeout=60)
    assert counts(out) == COUNTS
    assert "chatter" in err


@pytest.mark.process
def test_reader_that_has_enough(folder: Path) -> None:
    """A closed pipe ends the command quietly."""
    (folder / "in.txt").write_text("".join(f"word{number}\n" for number in range(100_000)))
    running = process(folder, "run", "job.py", "in.txt")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.readline()
    running.stdout.close()
    with running.stderr as stream:
        told = stream.read()
    assert running.wait(timeout=60) == 1
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
