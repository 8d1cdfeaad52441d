"""Jobs are found as they are, by few requests, and what they left is removed without touching anything else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event, Settings
from driver.cleaning import find_abandoned, remove
from driver.events import RoundStarted, TaskEnded
from driver.housekeeping import find_leftovers
from driver.jobs import JobFound, age, find_job, find_jobs
from driver.notebook import Notebook, notebooks, read_notebook
from driver.pulse import ask_to_cancel
from mapreduce import Job, JobCancelled, Mapper, Reducer, TaskError
from mapreduce.objectstore import ObjectStore, open_store
from tests.acceptance.conftest import contents
from worker.layout import done_key, driver_key, is_ours

STATE = "state"


class Words(Mapper[str, str, int]):
    """Words; some lines are bad."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        if "bad" in line and self.task.attempt == 0:
            raise ValueError(f"no \x1b[31m{line}")
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """Adds."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


class Stop(BaseException):
    """Ends a job as a kill would: see `killed`."""


class Bench:
    """Runs jobs over a text, with a storage and notebooks of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.storage = folder / "storage"
        self.state = str(folder / STATE)
        self.text = folder / "in.txt"
        self.text.write_text("a b\nc d\ne f\ng h\n")
        self._monkeypatch = monkeypatch

    @property
    def store(self) -> ObjectStore:
        """The storage."""
        return open_store(self.storage)

    def settings(self, **given: Any) -> Settings:
        """Settings of somebody who looks for jobs."""
        return Settings.load({"storage": self.storage, "state": self.state, **given}, {})

    def run(self, *, output: str | None = None, **settings: Any) -> Any:
        """Run a job, inline."""
        given: dict[str, Any] = {"executor": "inline", "workers": 2, "split_size": 5, "retries": 1, **settings}
        driver = Driver(**{"storage": self.storage, "state": self.state, **given})
        job = Job(mapper=Words(), reducer=Total(), name="count")
        return driver.run(job, self.text, None if output is None else self.folder / output, partitions=2)

    def killed(self, when: Callable[[Event], bool], **settings: Any) -> str:
        """A job whose driver ends at an event without another step; returns its id."""

        def end(event: Event) -> None:
            if when(event):
                raise Stop

        with self._monkeypatch.context() as patched:
            patched.setattr("driver.run.JobRun._end", lambda run, problem: run._means.notebook.close())
            with pytest.raises(Stop):
                self.run(callbacks=[end], **settings)
        return notebooks(self.state)[-1]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Runs jobs."""
    monkeypatch.setattr("driver.barrier._LEAST", 0.0)
    monkeypatch.setattr("driver.barrier._SHARE", 1e9)
    return Bench(tmp_path, monkeypatch)


def second_map(event: Event) -> bool:
    return isinstance(event, TaskEnded) and event.round == 0 and event.done == 2


def later(**time: float) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


def test_running(bench: Bench) -> None:
    """A job that runs is shown with its rounds, what is done of them, and what has failed."""
    bench.text.write_text("bad\nc d\ne f\ng h\n")
    seen: list[JobFound] = []

    def look(event: Event) -> None:
        if isinstance(event, TaskEnded) and (event.round, event.done) == (1, 1):
            seen.extend(find_jobs(bench.store, bench.state))

    bench.run(callbacks=[look]).close()
    [found] = seen
    assert (found.title, found.state, found.resumable) == ("count", "running", False)
    assert "@" in found.who
    assert [(one.kind, one.tasks, one.done, one.failed) for one in found.rounds] == [
        ("map", 4, 4, 1),
        ("reduce", 2, 1, 0),
    ]
    assert list(find_jobs(bench.store, bench.state)) == []


def test_running_elsewhere(bench: Bench, tmp_path: Path) -> None:
    """Of a job of another machine its signs of life tell whether it runs: with an hour of silence it does not."""
    job = bench.killed(second_map)
    elsewhere = str(tmp_path / "elsewhere")
    assert find_job(bench.store, elsewhere, job).state == "running"
    assert find_job(bench.store, elsewhere, job, later(seconds=200)).state == "running"
    assert find_job(bench.store, elsewhere, job, later(hours=1)).state == "abandoned"
    assert not find_job(bench.store, elsewhere, job).resumable


def test_abandoned(bench: Bench) -> None:
    """Where its notebook is, a job whose driver has died is abandoned at once, and can be resumed."""
    job = bench.killed(second_map)
    found = find_job(bench.store, bench.state, job)
    assert (found.state, found.resumable) == ("abandoned", True)
    assert age(found, later(hours=2)) == pytest.approx(7200, abs=60)


def test_cancelling(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that has been asked to end is shown so until it has; it ends like one that is interrupted."""
    monkeypatch.setattr("driver.pulse.LOOK", 0.0)
    states: list[str] = []

    def ask(event: Event) -> None:
        if second_map(event):
            ask_to_cancel(bench.store, event.job)
            states.append(find_job(bench.store, bench.state, event.job).state)

    with pytest.raises(JobCancelled, match="was cancelled by"):
        bench.run(output="out", callbacks=[ask])
    assert states == ["cancelling"]
    assert list(bench.storage.iterdir()) == []
    assert list((bench.folder / "out").iterdir()) == []
    assert read_notebook(bench.state, notebooks(bench.state)[0])["ended"] == "cancelled"


def test_kept(bench: Bench) -> None:
    """Intermediates that were to stay say how their job ended."""
    result = bench.run(output="out", keep_intermediates=True)
    assert find_job(bench.store, bench.state, result.job).state == "kept: done"
    bench.text.write_text("bad\n")
    with pytest.raises(TaskError):
        bench.run(keep_intermediates=True, retries=0)
    assert {found.state for found in find_jobs(bench.store, bench.state)} == {"kept: done", "kept: failed"}


def test_result(bench: Bench) -> None:
    """Pairs that a process still holds are no leftovers; those of a process that is gone are."""
    result = bench.run()
    [found] = find_jobs(bench.store, bench.state)
    assert (found.state, found.title) == ("result", "count")
    assert list(find_abandoned(bench.settings(), 0, now=later(days=2))) == []
    result._finalizer.detach()[1]._notebook.close()  # as when its process dies
    [found] = find_jobs(bench.store, bench.state)
    assert found.state == "abandoned"
    [left] = find_abandoned(bench.settings(), 0, now=later(days=2))
    remove(left, bench.settings())
    assert list(bench.storage.iterdir()) == []


def test_requests(bench: Bench) -> None:
    """A job costs requests by its rounds, not by its tasks."""
    job = bench.killed(lambda event: isinstance(event, RoundStarted) and event.round == 1)
    for task in range(4, 500):
        bench.store.put(done_key(job, 0, task), b"")
    store = bench.store
    [found] = find_jobs(store, bench.state)
    assert found.rounds[0].done == 500
    counts = store.requests.snapshot()
    assert (counts["get"], counts["list"]) == (1, 2 + 2 * len(found.rounds))


HOSTILE: list[Any] = [
    b"",
    b"\xff",
    b"[]",
    b"null",
    b'{"rounds": 7, "beat": [], "title": {"a": 1}}',
    b'{"rounds": [["map"], 3, ["map", "x"], {}], "ended": ""}',
    json.dumps({"title": "\x1b[2J" + "x" * 10_000, "who": "\r\n", "beat": "9999-99-99", "ended": "\x07"}).encode(),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_odd_drivers(bench: Bench, data: bytes) -> None:
    """Whatever somebody wrote in the driver's place, jobs are listed, and nothing of it moves the cursor."""
    job = bench.killed(second_map)
    bench.store.put(driver_key(job), data)
    [found] = find_jobs(bench.store, str(bench.folder / "elsewhere"))
    for text in (found.title, found.who, found.started, found.seen, found.state):
        assert text.isprintable()
        assert len(text) < 300


def test_clean(bench: Bench) -> None:
    """What a job left is removed wherever it lies; strangers among it stay, and are named."""
    shuffle = bench.folder / "shuffle"
    job = bench.killed(
        lambda event: isinstance(event, TaskEnded) and (event.round, event.done) == (1, 1),
        output="out",
        shuffle=shuffle,
    )
    out = bench.folder / "out"
    strangers = [
        bench.storage / "jobs" / job / "notes.txt",
        bench.storage / "jobs" / job / "rounds" / "0" / "done" / "mine",
        bench.storage / "jobs" / job / "code" / "mine.py",
        shuffle / job / "shuffle" / "0" / "mine",
        out / "_temporary" / job / "mine",
        bench.storage / "jobs" / f"{job}x" / "job.json",
    ]
    for path in strangers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    [left] = find_abandoned(bench.settings(), 3600, now=later(days=1))
    assert (left.title, left.state) == ("count", "abandoned")
    assert [bool(place.ours) for place in left.leftovers.places] == [True, True, True]
    assert left.leftovers.size == sum(
        path.stat().st_size
        for folder in (bench.storage / "jobs" / job, shuffle, out)
        for path in folder.rglob("*")
        if path.is_file() and path not in strangers
    )
    assert len(left.leftovers.strangers) == 5
    assert left.notices == [f"it can still be resumed: mapreduce resume {job}"]
    remove(left, bench.settings())
    for folder in (bench.storage, shuffle, out):
        assert all(path in strangers for path in folder.rglob("*") if path.is_file())
    assert all(path.exists() for path in strangers)
    assert "secret" not in read_notebook(bench.state, job)
    assert read_notebook(bench.state, job)["ended"] == "abandoned"


def test_clean_leaves(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that run, are young, were to stay, or are somebody else's, are left alone."""
    job = bench.killed(second_map)
    settings = bench.settings()
    assert list(find_abandoned(settings, 3600)) == []
    held = Notebook.take(bench.state, job)
    assert list(find_abandoned(settings, 0, now=later(days=1))) == []
    held.close()
    assert [one.leftovers.job for one in find_abandoned(settings, 0, now=later(days=1))] == [job]
    elsewhere = bench.settings(state=tmp_path / "elsewhere")
    assert [one.leftovers.job for one in find_abandoned(elsewhere, 0, now=later(days=1))] == [job]
    monkeypatch.setattr("driver.cleaning.who", lambda: "somebody@else")
    assert list(find_abandoned(elsewhere, 0, now=later(days=1))) == []
    kept = bench.run(output="out", keep_intermediates=True).job
    found = [one.leftovers.job for one in find_abandoned(settings, 0, now=later(days=1))]
    assert found == [job]
    found = [one.leftovers.job for one in find_abandoned(settings, 0, kept=True, now=later(days=1))]
    assert found == sorted([job, kept])


def test_clean_what_lies_elsewhere(bench: Bench) -> None:
    """Of a job that the storage knows no more, what lies in another shuffle store goes when it is old enough."""
    shuffle = bench.folder / "shuffle"
    job = bench.killed(
        lambda event: isinstance(event, TaskEnded) and (event.round, event.done) == (1, 1), shuffle=shuffle
    )
    shutil.rmtree(bench.storage / "jobs" / job)
    assert list(find_abandoned(bench.settings(), 3600)) == []
    [left] = find_abandoned(bench.settings(), 3600, now=later(days=1))
    assert left.leftovers.job == job
    assert any(path.is_file() for path in shuffle.rglob("*"))
    remove(left, bench.settings())
    assert not any(path.is_file() for path in shuffle.rglob("*"))


def test_clean_when_resumed(bench: Bench) -> None:
    """A job that somebody has just taken up is not removed under his hands."""
    job = bench.killed(second_map)
    [left] = find_abandoned(bench.settings(), 0, now=later(days=1))
    held = Notebook.take(bench.state, job)
    with pytest.raises(Exception, match="is running"):
        remove(left, bench.settings())
    held.close()
    assert find_leftovers(job, bench.store, None, None).count == left.leftovers.count


def test_all_names_are_known(bench: Bench) -> None:
    """Every name that a job gives to an object is one that cleaning knows."""
    bench.text.write_text("bad\nc d\ne f\ng h\n")
    job = bench.run(keep_intermediates=True).job
    names = set(contents(bench.storage))
    assert len(names) > 15
    assert {name for name in names if not is_ours(job, name)} == set()
    assert not any(is_ours("another", name) for name in names)
