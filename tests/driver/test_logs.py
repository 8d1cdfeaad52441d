"""What is known of a job's attempts is told, also when the job has ended; who wrote it is not taken on trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from driver import Driver
from driver.logs import Entry, Wanted, ending, find_entries
from driver.notebook import notebooks
from mapreduce import ConfigError, FoldBy, Job, Mapper, TaskError
from mapreduce.objectstore import ObjectStore, open_store
from worker.layout import failed_key


class Words(Mapper[str, str, int]):
    """Words; a task's first attempt fails at a bad line."""

    def map(self, line: str) -> Any:
        if "bad" in line and self.task.attempt == 0:
            raise ValueError("no bad lines")
        self.task.count("lines")
        yield line, 1


class Bench:
    """Runs a job whose second map task fails once."""

    def __init__(self, folder: Path) -> None:
        self.state = str(folder / "state")
        self.storage = folder / "storage"
        self.text = folder / "in.txt"
        self.text.write_text("good\nbad\n")

    @property
    def store(self) -> ObjectStore:
        """The storage."""
        return open_store(self.storage)

    def run(self, **settings: Any) -> str:
        """Run; returns the job's id."""
        given: dict[str, Any] = {"executor": "inline", "workers": 2, "split_size": 5, "retries": 1, **settings}
        with Driver(storage=self.storage, state=self.state, **given) as driver:
            driver.run(Job(mapper=Words(), reducer=FoldBy[str, int](max)), self.text, partitions=2).close()
        return notebooks(self.state)[0]

    def entries(self, job: str, task: str | None = None) -> list[Entry]:
        """What is told of it."""
        return list(find_entries(job, self.state, self.store, Wanted.parse(task)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs jobs."""
    return Bench(tmp_path)


@pytest.mark.parametrize("keep", [False, True], ids=["ended", "kept"])
def test_failures(bench: Bench, *, keep: bool) -> None:
    """Each attempt that failed is told once, with where, at what, and the traceback of its worker."""
    job = bench.run(keep_intermediates=keep)
    [entry] = bench.entries(job)
    assert entry[:3] == (0, 1, 0)
    assert entry.text == "failed: ValueError: no bad lines"
    lines = entry.details.splitlines()
    assert lines[0].startswith("in ")
    assert "test_logs.py" in lines[0]
    assert lines[1] == "at 'bad'"
    assert lines[2] == f"in the input {bench.text}"
    assert lines[3] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: no bad lines"


def test_a_task(bench: Bench) -> None:
    """Of one task the attempt that committed is told too, with its measures and counters."""
    job = bench.run(keep_intermediates=True)
    failed, committed = bench.entries(job, "0/1")
    assert (failed.attempt, committed.attempt) == (0, 1)
    assert committed.text.startswith("committed: ")
    assert committed.text.endswith(", lines 1")
    assert [entry[:3] for entry in bench.entries(job, "1")] == [(0, 1, 0), (0, 1, 1), (1, 1, 0)]
    assert [entry[:3] for entry in bench.entries(job, "1/0")] == [(1, 0, 0)]
    assert bench.entries(job, "7") == []


def test_job_that_failed(bench: Bench) -> None:
    """A failed job leaves nothing in the storage, and is told of all the same."""
    with pytest.raises(TaskError):
        bench.run(retries=0)
    [job] = notebooks(bench.state)
    assert list(bench.storage.iterdir()) == []
    [entry] = bench.entries(job)
    assert "Traceback" in entry.details
    assert "TaskError: map task 1 of round 0" in ending(job, bench.state)


def test_somebody_elses_job(bench: Bench, tmp_path: Path) -> None:
    """Records that cannot be authenticated are shown as such; with the secret, forged ones are refused."""
    job = bench.run(keep_intermediates=True)
    store = bench.store
    [entry] = find_entries(job, str(tmp_path / "elsewhere"), store, Wanted())
    assert entry.text == (
        "failed: ValueError: no bad lines (anybody may have written this: the job's secret is not known here)"
    )
    forged = json.dumps(dict.fromkeys(("kind", "reason", "where", "traceback", "record", "source"), "x") | {"lost": []})
    store.put(failed_key(job, 0, 0, 0), b"0" * 64 + b"\n" + forged.encode())
    told = {entry[:3]: entry.text for entry in bench.entries(job)}
    assert told[0, 0, 0].startswith("failed, and its record cannot be read: ")
    assert "written by someone else" in told[0, 0, 0]


@pytest.mark.parametrize("data", [b"", b"x\n[]", b"x\n{}", b"x\nnull", b"\xff\n\xff", b"x\n" + b'{"kind": 1}'])
def test_odd_records(bench: Bench, tmp_path: Path, data: bytes) -> None:
    """A record that makes no sense is told of as such."""
    job = bench.run(keep_intermediates=True)
    store = bench.store
    store.put(failed_key(job, 0, 0, 7), data)
    told = {entry[:3]: entry.text for entry in find_entries(job, str(tmp_path / "elsewhere"), store, Wanted())}
    assert told[0, 0, 7].startswith("failed, and its record cannot be read: ")


def test_unknown(bench: Bench) -> None:
    """A job that nobody knows of is an error that says where was looked."""
    with pytest.raises(
        ConfigError, match=r"nothing is known of a job 2026.*, neither in file:.*storage nor in .*state"
    ):
        bench.entries("20260101-000000-0123abcd")


@pytest.mark.parametrize("text", ["", "x", "1/", "/1", "a/1", "1/2/3", "-1"])
def test_no_task(text: str) -> None:
    """What names no task is refused."""
    with pytest.raises(ConfigError, match="names no task"):
        Wanted.parse(text)
