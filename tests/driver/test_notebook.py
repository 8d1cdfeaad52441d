"""A notebook is private, survives its driver, is held by one process at a time, and does not pile up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from driver import Driver, Event
from driver.events import AttemptFailed, RoundEnded, TaskEnded, Warned
from driver.notebook import Notebook, forget, is_held, notebooks, read_events, read_notebook
from mapreduce import Job, JobError, Mapper


class Words(Mapper[str, str, int]):
    """Lines."""

    def map(self, line: str) -> Any:
        yield line, 1


def name(number: int) -> str:
    """The id of a job."""
    return f"20260101-000000-{number:08x}"


@pytest.fixture
def home(tmp_path: Path) -> str:
    """Where notebooks lie."""
    return str(tmp_path / "state")


def test_fields(home: str) -> None:
    """What was written is read, also by others, and None takes it away."""
    notebook = Notebook.begin(home, name(1))
    notebook.write(job=name(1), secret="s", title="t")
    notebook.write(secret=None, ended="done")
    expected = {"job": name(1), "title": "t", "ended": "done"}
    assert notebook.fields == read_notebook(home, name(1)) == expected
    assert notebooks(home) == [name(1)]
    assert read_notebook(home, name(2)) == {}
    forget(home, name(1))
    assert notebooks(home) == []
    forget(home, name(1))


def test_private(home: str) -> None:
    """Nobody else may read it, whatever the user's mask allows."""
    mask = os.umask(0)
    try:
        notebook = Notebook.begin(home, name(1))
        notebook.write(secret="s")
        notebook.note(Warned(job=name(1), text="x"))
    finally:
        os.umask(mask)
    for folder, _, files in os.walk(home):
        for path in [folder, *(os.path.join(folder, file) for file in files)]:
            assert os.stat(path).st_mode & 0o077 == 0, path


def test_one_holder(home: str) -> None:
    """While one holds a notebook nobody else can; when it is closed somebody can."""
    notebook = Notebook.begin(home, name(1))
    notebook.write(job=name(1))
    assert is_held(home, name(1))
    with pytest.raises(JobError, match="is running"):
        Notebook.take(home, name(1))
    notebook.close()
    assert not is_held(home, name(1))
    again = Notebook.take(home, name(1))
    assert again.fields == {"job": name(1)}
    assert is_held(home, name(1))
    again.close()


@pytest.mark.parametrize(
    "job", ["", ".", "..", "../x", "a/b", "20260101-000000-0123abcd/..", "20260101-000000-0123ABCD"]
)
def test_other_names(home: str, job: str) -> None:
    """What is no id of a job is no notebook, wherever it points."""
    os.makedirs(home)
    Path(home, "job.json").write_text("{}")
    assert read_notebook(home, job) == {}
    assert list(read_events(home, job)) == []
    with pytest.raises(JobError, match="nothing is known"):
        Notebook.take(home, job)


def test_events(home: str) -> None:
    """Events are noted in order, not one for each task; tracebacks of the first failures alone."""
    notebook = Notebook.begin(home, name(1))
    notebook.note(TaskEnded(job=name(1), round=0, task=0, attempt=0, done=1, tasks=1, seconds=1.0))
    for number in range(150):
        fields: dict[str, Any] = {
            "round": 0,
            "task": number,
            "attempt": 0,
            "reason": "r",
            "retried": True,
            "traceback": "long",
        }
        notebook.note(AttemptFailed(job=name(1), **fields))
    notebook.note(RoundEnded(job=name(1), round=0, seconds=1.5))
    with open(os.path.join(home, name(1), "events.jsonl"), "a") as file:
        file.write('{"event": "cut sho')  # as a driver that is killed leaves it
    events = list(read_events(home, name(1)))
    assert [event["event"] for event in events] == ["AttemptFailed"] * 150 + ["RoundEnded"]
    assert [event["task"] for event in events[:150]] == list(range(150))
    assert sum(bool(event.get("traceback")) for event in events) == 100


def test_old_ones_go(home: str) -> None:
    """The oldest notebooks go, but for those of which something is left, and those of jobs that run."""
    for number in range(250):
        notebook = Notebook.begin(home, name(number))
        notebook.write(ended=None if number == 3 else "done", left="rest" if number == 5 else None)
        if number != 7:
            notebook.close()
    assert len(notebooks(home)) == 250
    Notebook.begin(home, name(250)).close()
    left = notebooks(home)
    assert left[:3] == [name(3), name(5), name(7)]
    assert left[3:] == [name(number) for number in range(51, 251)]


def test_nowhere_to_write(tmp_path: Path) -> None:
    """Where there is no place for a notebook the job runs, and the user is told what that means."""
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    (tmp_path / "file").touch()
    events: list[Event] = []
    driver = Driver(
        executor="inline", storage=tmp_path / "storage", state=tmp_path / "file" / "state", callbacks=[events.append]
    )
    with driver.run(Job(mapper=Words()), text) as result:
        assert list(result) == [("a", 1)]
    [warned] = [event for event in events if isinstance(event, Warned)]
    assert warned.text.startswith("the job cannot be resumed if its driver dies, since its notebook cannot be written")
    assert "setting state" in warned.text


def test_stores_in_memory(tmp_path: Path) -> None:
    """What ends with its process has no notebook."""
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    state = tmp_path / "state"
    Driver(executor="inline", storage="memory://no-notebook", state=state).run(Job(mapper=Words()), text).close()
    assert not state.exists()


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """Any number of jobs leaves no file open."""
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    driver = Driver(executor="inline", storage=tmp_path / "storage", state=tmp_path / "state")
    driver.run(Job(mapper=Words()), text).close()
    before = psutil.Process().num_fds()
    for output in (None, tmp_path / "out"):
        driver.run(Job(mapper=Words()), text, output).close()
    assert psutil.Process().num_fds() == before


def test_what_is_left_of_a_job(tmp_path: Path) -> None:
    """When a job has ended its secret is gone; title and ending stay."""
    text = tmp_path / "in.txt"
    text.write_text("a\n")
    state = tmp_path / "state"
    driver = Driver(executor="inline", storage=tmp_path / "storage", state=state)
    result = driver.run(Job(mapper=Words(), name="lines"), text)
    noted = read_notebook(str(state), result.job)
    assert (noted["ended"], noted["left"]) == ("done", "result")
    assert is_held(str(state), result.job)
    result.close()
    noted = read_notebook(str(state), result.job)
    assert (noted["title"], noted["ended"]) == ("lines", "done")
    assert not noted.keys() & {"secret", "course", "left"}
    assert not is_held(str(state), result.job)
    assert json.dumps(noted)
