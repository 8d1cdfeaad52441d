"""Callbacks see what happens, in order, and in the thread that runs the job."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from driver import Driver, Event
from driver.events import (
    AttemptFailed,
    JobEnded,
    JobStarted,
    RoundEnded,
    RoundStarted,
    StorageLost,
    StorageReached,
    TaskEnded,
)
from driver.progress import ProgressCallback
from mapreduce import FoldBy, Job, Mapper, TaskError


class Words(Mapper[str, str, int]):
    """Words; fails in its first attempts, as told."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        if self.task.attempt < self.failures:
            raise ValueError(f"not now: {record}")
        for word in record.split():
            yield word, 1


class Pairs(Mapper[tuple[str, int], str, int]):
    """Passes pairs on."""

    def map(self, record: tuple[str, int]) -> Iterator[tuple[str, int]]:
        yield record


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Two lines of words."""
    path = tmp_path / "in.txt"
    path.write_text("a b\nc d\n")
    return path


def job(failures: int = 0, name: str = "") -> Job[str, str, int, str, int]:
    return Job(mapper=Words(failures), reducer=FoldBy[str, int](max), name=name)


def run(text: Path, events: list[Event], failures: int = 0, *, twice: bool = False) -> str:
    storage = text.parent / "storage"
    driver = Driver(executor="inline", storage=storage, workers=2, retries=1, callbacks=[events.append])
    again = [Job(mapper=Pairs(), reducer=FoldBy[str, int](max))] if twice else []
    with driver.run([job(failures), *again], text) as result:
        return result.job


def test_order(text: Path) -> None:
    """A job's events come in order: it starts, its rounds start and end, tasks between, it ends."""
    events: list[Event] = []
    name = run(text, events)
    kinds = [type(event) for event in events]
    rounds = [RoundStarted, TaskEnded, TaskEnded, RoundEnded] * 2
    assert kinds == [JobStarted, *rounds, JobEnded]
    assert {event.job for event in events} == {name}
    started, ended = events[0], events[-1]
    assert isinstance(started, JobStarted)
    assert (started.title, started.rounds, started.bytes_in, started.modules) == ("Words-FoldBy", 2, 8, ())
    assert isinstance(ended, JobEnded)
    assert (ended.error, ended.seconds > 0) == ("", True)
    assert [event.kind for event in events if isinstance(event, RoundStarted)] == ["map", "reduce"]


def test_chain(text: Path) -> None:
    """A chain is one job of many rounds."""
    events: list[Event] = []
    run(text, events, twice=True)
    assert [event.rounds for event in events if isinstance(event, JobStarted)] == [4]
    assert [event.round for event in events if isinstance(event, RoundEnded)] == [0, 1, 2, 3]


def test_failures(text: Path) -> None:
    """Each failed attempt is told with its reason, and a failed job with its error."""
    events: list[Event] = []
    run(text, events, failures=1)
    failed = [event for event in events if isinstance(event, AttemptFailed)]
    assert sorted((one.task, one.reason, one.retried) for one in failed) == [
        (0, "ValueError: not now: a b", True),
        (1, "ValueError: not now: c d", True),
    ]
    events.clear()
    with pytest.raises(TaskError) as caught:
        run(text, events, failures=9)
    last = events[-1]
    assert isinstance(last, JobEnded)
    assert last.error == f"TaskError: {caught.value}"
    assert [event.retried for event in events if isinstance(event, AttemptFailed)][-1] is False


def test_thread(text: Path) -> None:
    """Callbacks run in the thread that called run."""
    threads: set[int] = set()
    driver = Driver(
        executor="inline",
        storage=text.parent / "storage",
        callbacks=[lambda event: threads.add(threading.get_ident())],
    )
    driver.run(job(), text).close()
    assert threads == {threading.get_ident()}


def test_failing_callback(text: Path) -> None:
    """What a callback raises ends the job like any error: nothing of it is left."""

    def fail(event: Event) -> None:
        assert not isinstance(event, RoundStarted), "no"

    storage = text.parent / "storage"
    with pytest.raises(AssertionError, match="no"):
        Driver(executor="inline", storage=storage, callbacks=[fail]).run(job(), text, text.parent / "out")
    assert list(storage.iterdir()) == []


def test_nothing_is_printed(text: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without callbacks the engine prints nothing."""
    Driver(executor="inline", storage=text.parent / "storage").run(job(1), text).close()
    assert capfd.readouterr() == ("", "")


def shown(text: Path, failures: int = 0, *, terminal: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=terminal)
    driver = Driver(
        executor="inline", storage=text.parent / "storage", workers=2, retries=1, callbacks=[ProgressCallback(console)]
    )
    driver.run(job(failures, "[red]words[/red]"), text).close()
    return file.getvalue()


def test_progress_in_a_file(text: Path) -> None:
    """Away from a terminal, progress is a line for the job and for each round."""
    first, *rounds = shown(text).splitlines()
    assert first.startswith("[red]words[/red]: 8 B of input, job 2")
    assert [line.rpartition(",")[0] for line in rounds] == ["round 0: map, 2 tasks", "round 1: reduce, 2 tasks"]


def test_progress_of_failures(text: Path) -> None:
    """Progress shows why an attempt failed, and what comes of it."""
    assert "task 1 of round 0, attempt 0: ValueError: not now: c d; trying again\n" in shown(text, 1)


def test_progress_of_a_lost_storage() -> None:
    """While the storage is lost a person sees since when, why, and for how long the driver goes on."""
    file = io.StringIO()
    progress = ProgressCallback(Console(file=file, width=100))
    progress(StorageLost(job="job", reason="no answer", patience=600.0))
    progress(StorageReached(job="job", seconds=34.6))
    lost, reached = file.getvalue().splitlines()
    assert re.fullmatch(r"storage unreachable since \d\d:\d\d:\d\d, trying again for 600 s: no answer", lost)
    assert reached == "storage reached again, after 35 s"


def test_progress_on_a_terminal(text: Path) -> None:
    """On a terminal each round has a bar."""
    screen = shown(text, terminal=True)
    assert "round 0: map" in screen
    assert "round 1: reduce" in screen
    assert "2/2" in screen
