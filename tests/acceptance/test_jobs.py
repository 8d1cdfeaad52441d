"""Jobs from outside: listed, looked into, ended, gone on with and removed by commands in other processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest

from tests.acceptance.conftest import CLI, Python, contents

pytestmark = [pytest.mark.process, pytest.mark.slow]

# Three lines make three tasks; the first one fails once, the last one waits for ever where there is a file "block".
JOB = """
    import os, threading
    from mapreduce import FoldBy, Job, Mapper

    class Words(Mapper):
        def map(self, line):
            with open("ran", "a") as file:
                file.write(f"{self.task.index}\\n")
            if line == "bad" and self.task.attempt == 0:
                raise ValueError("a bad line")
            if self.task.index == 2 and os.path.exists("block"):
                with open("started", "w") as pipe:
                    pipe.write("started")
                threading.Event().wait()
            for word in line.split():
                yield word, 1

    job = Job(mapper=Words(), reducer=FoldBy(lambda one, other: one + other), name="count words")
"""
RUN = (*CLI, "run", "my_job.py", "in.txt", "--storage", "storage", "--workers", "1", "--split-size", "4")
EXPECTED = {"a": 2, "b": 1, "c": 1, "bad": 1}


class Shell:
    """Runs commands in one folder."""

    def __init__(self, python: Python) -> None:
        self.python = python
        self.folder = python.folder
        python.write({"my_job.py": JOB, "in.txt": "bad\na b\na c\n"})
        os.mkfifo(self.folder / "started")
        (self.folder / "block").touch()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the job, and wait until it waits."""
        process = self.python.start(*RUN, *arguments)
        assert (self.folder / "started").read_text() == "started"
        return process

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run a command to its end; returns what it printed, and its errors."""
        status, output, errors = self.python.run(*CLI, *arguments)
        assert status == code, errors
        assert "Traceback" not in errors
        return output, errors

    def jobs(self) -> list[dict[str, Any]]:
        """The jobs there are."""
        output, _ = self("jobs", "--storage", "storage", "--json")
        return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def shell(python: Python) -> Shell:
    """Runs commands."""
    return Shell(python)


def test_cancel(shell: Shell) -> None:
    """A job is listed while it runs, and ends when another process asks for it, as after Ctrl-C."""
    process = shell.start("--output", "out")
    [found] = shell.jobs()
    assert (found["title"], found["state"]) == ("count words", "running")
    assert [(one["kind"], one["tasks"], one["done"], one["failed"]) for one in found["rounds"]] == [("map", 3, 1, 1)]
    output, _ = shell("jobs", "--storage", "storage")
    assert re.fullmatch(
        rf"{found['job']}  running  count words by \S+@\S+, started \S+  map 1/3 \(1 failed\)\n", output
    )
    shell("cancel", found["job"], "--storage", "storage")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.search(rf"^Error: job {found['job']} was cancelled by \S+@\S+ at \S+$", errors, re.MULTILINE)
    assert list((shell.folder / "storage").iterdir()) == list((shell.folder / "out").iterdir()) == []
    assert shell("jobs", "--storage", "storage") == ("", "")
    output, _ = shell("jobs", "--all", "--storage", "storage")
    assert f"{found['job']}  ended: cancelled  count words" in output
    _, errors = shell("cancel", found["job"], "--storage", "storage", code=1)
    assert f"job {found['job']} does not run (ended: cancelled)\n" in errors


@pytest.mark.parametrize("to_folder", [True, False])
def test_resume(shell: Shell, *, to_folder: bool) -> None:
    """A job whose driver was killed is gone on with by a command, which gives what the job would have given."""
    process = shell.start(*(["--output", "out"] if to_folder else []))
    process.kill()
    process.communicate(timeout=60)
    [found] = shell.jobs()
    assert (found["state"], found["resumable"]) == ("abandoned", True)
    (shell.folder / "block").unlink()
    output, errors = shell("resume", found["job"])
    assert "count words: 12 B of input, job" in errors
    assert "resumed" in errors
    if to_folder:
        assert output == ""
        output = "".join(text.decode() for name, text in contents(shell.folder / "out").items() if "part" in name)
    assert dict(line.split("\t") for line in output.splitlines()) == {key: str(n) for key, n in EXPECTED.items()}
    # The second task had been committed, and did not run again.
    assert sorted((shell.folder / "ran").read_text().split()) == ["0", "0", "1", "2", "2"]
    assert list((shell.folder / "storage").iterdir()) == []
    output, _ = shell("logs", found["job"])
    assert re.match(r"round 0, task 0, attempt 0: failed: ValueError: a bad line\n    in .*my_job.py", output)
    assert output.splitlines()[-1].endswith("it has its result")
    _, errors = shell("resume", found["job"], code=1)
    assert "has ended (done), and cannot be resumed" in errors


def test_clean(shell: Shell) -> None:
    """What a killed driver left is shown, and removed when the user agrees."""
    process = shell.start("--output", "out")
    process.kill()
    process.communicate(timeout=60)
    [found] = shell.jobs()
    stranger = shell.folder / "storage" / "jobs" / found["job"] / "mine"
    stranger.write_text("mine")
    command = ("clean", "--storage", "storage", "--older")
    assert "there is nothing to remove" in shell(*command, "1d")[1]
    before = contents(shell.folder)
    output, _ = shell(*command, "0s", code=130)  # nobody answers
    assert re.match(rf"{found['job']}  count words: \d+ objects, \S+ \S+ \(abandoned\)\n", output)
    assert f"stays, since no job gives such a name: file://{stranger}" in output
    assert f"it can still be resumed: mapreduce resume {found['job']}" in output
    assert contents(shell.folder) == before
    shell(*command, "0s", "--yes")
    assert set(contents(shell.folder / "storage")) == {f"jobs/{found['job']}/mine"}
    assert contents(shell.folder / "out") == {}
    _, errors = shell("resume", found["job"], code=1)
    assert "has ended (abandoned), and cannot be resumed" in errors


def test_usage(shell: Shell) -> None:
    """Mistakes are told in a sentence."""
    for arguments, message in (
        (("resume", "20260101-000000-0123abcd"), "nothing is known of a job 20260101-000000-0123abcd here"),
        (("logs", "20260101-000000-0123abcd"), "nothing is known of a job 20260101-000000-0123abcd"),
        (("logs", "20260101-000000-0123abcd", "one"), "'one' names no task"),
        (("clean", "--older", "soon"), "older: 'soon' is no age"),
        (("cancel", "nothing"), "there is no job nothing in"),
    ):
        output, errors = shell(*arguments, code=1)
        assert output == ""
        assert message in errors
        assert errors.count("\n") == 1
