"""The driver's notebook of a job, on its own machine: what nobody else may know, and what happened.

<state>/<job>/job.json      where the job's objects lie; its secret and course, as long as they are of use
<state>/<job>/events.jsonl  what happened, a line for each event; failures with their tracebacks
<state>/<job>/lock          held by the process that runs the job, or has its result

Files and folders are for their owner alone. The lock ends with its process, however that ends, so it
tells a job that runs from one whose driver has died.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from driver.events import AttemptFailed, Event, TaskEnded
from mapreduce.errors import JobError

# Job ids, which become names of folders.
_JOB = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_RECORD, _EVENTS, _LOCK = "job.json", "events.jsonl", "lock"
# Failures that are noted with their tracebacks; a job may have thousands.
_TRACEBACKS = 100
# Notebooks of ended jobs that are kept, and how many more may pile up before the oldest go.
_KEPT = 200
_SLACK = 50


class Notebook:
    """What is kept of one job; of a folder "" nothing is.

    Attributes:
        trouble: why nothing more could be written; "" while all is well.
    """

    def __init__(self, folder: str = "") -> None:
        self.trouble = ""
        self._folder = folder
        self._lock: int | None = None
        self._events: int | None = None
        self._fields: dict[str, Any] = {}
        self._failures = 0

    @classmethod
    def begin(cls, home: str, job: str) -> Notebook:
        """A new notebook, held by this process; if it cannot be made, `trouble` tells why."""
        notebook = cls(os.path.join(home, job))
        try:
            os.makedirs(home, mode=0o700, exist_ok=True)
            os.mkdir(notebook._folder, mode=0o700)
            notebook._hold()
            _prune(home)
        except OSError as error:
            notebook._give_up(error)
        return notebook

    @classmethod
    def take(cls, home: str, job: str) -> Notebook:
        """The notebook of a job that no process runs any more, held by this one.

        Raises:
            JobError: there is none, or another process holds it.
        """
        notebook = cls(os.path.join(home, job))
        notebook._fields = read_notebook(home, job)
        if not notebook._fields:
            raise JobError(
                f"nothing is known of a job {job} here (in {home}): a job can be resumed only where it was started,"
                " by the same user"
            )
        try:
            held = notebook._hold()
        except OSError as error:
            raise JobError(f"cannot take job {job}: {error}") from error
        if not held:
            raise JobError(f"job {job} is running: a process of this machine holds it")
        return notebook

    @property
    def fields(self) -> dict[str, Any]:
        """What was written."""
        return dict(self._fields)

    def write(self, **fields: Any) -> None:
        """Write fields beside those before; None takes one away."""
        self._fields = {name: value for name, value in {**self._fields, **fields}.items() if value is not None}
        if not self._folder:
            return
        path = os.path.join(self._folder, _RECORD)
        try:
            with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(json.dumps(self._fields))  # dump() would do it without native code
            os.replace(f"{path}.new", path)
        except OSError as error:
            self._give_up(error)

    def note(self, event: Event) -> None:
        """Write an event down, unless there is one for every task."""
        if not self._folder or isinstance(event, TaskEnded):
            return
        line = {"at": round(time.time(), 3), "event": type(event).__name__, **asdict(event)}
        if isinstance(event, AttemptFailed):
            self._failures += 1
            if self._failures > _TRACEBACKS:
                line["traceback"] = ""
        try:
            if self._events is None:
                path = os.path.join(self._folder, _EVENTS)
                self._events = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._events, json.dumps(line).encode() + b"\n")
        except OSError as error:
            self._give_up(error)
        if self._lock is None:  # what comes when it is closed is its last line
            self.close()

    def close(self) -> None:
        """Hold it no longer."""
        for descriptor in (self._lock, self._events):
            if descriptor is not None:
                os.close(descriptor)
        self._lock = self._events = None

    def _hold(self) -> bool:
        lock = os.open(os.path.join(self._folder, _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _give_up(self, error: OSError) -> None:
        self.trouble = f"{self._folder}: {error.strerror or error} (setting state)"
        self._folder = ""


def notebooks(home: str) -> list[str]:
    """The ids of jobs that there are notebooks of, the oldest first."""
    try:
        return sorted(name for name in os.listdir(home) if _JOB.fullmatch(name))
    except FileNotFoundError:
        return []


def read_notebook(home: str, job: str) -> dict[str, Any]:
    """What the notebook of a job says; {} if there is none."""
    if not _JOB.fullmatch(job):
        return {}
    try:
        with open(os.path.join(home, job, _RECORD)) as file:
            fields: dict[str, Any] = json.load(file)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return fields


def read_events(home: str, job: str) -> Iterator[dict[str, Any]]:
    """The events of a job, as far as they are noted."""
    if not _JOB.fullmatch(job):
        return
    try:
        with open(os.path.join(home, job, _EVENTS)) as file:
            for line in file:
                if line.endswith("\n"):  # a driver may have died in the middle of one
                    yield json.loads(line)
    except FileNotFoundError:
        return


def is_held(home: str, job: str) -> bool:
    """Whether a process of this machine runs the job, or has its result."""
    probe = Notebook(os.path.join(home, job))
    try:
        held = not probe._hold()  # noqa: SLF001 - of its own class
    except OSError:
        return False
    probe.close()
    return held


def forget(home: str, job: str) -> None:
    """Remove the notebook of a job."""
    folder = os.path.join(home, job)
    for name in (_EVENTS, _RECORD, f"{_RECORD}.new", _LOCK):
        try:
            os.unlink(os.path.join(folder, name))
        except FileNotFoundError:
            continue
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return


def _prune(home: str) -> None:
    """Forget the oldest jobs of which nothing is left but what their notebooks tell."""
    known = notebooks(home)
    if len(known) <= _KEPT + _SLACK:
        return
    for job in known[:-_KEPT]:
        fields = read_notebook(home, job)
        if fields.get("ended") and not fields.get("left") and not is_held(home, job):
            forget(home, job)
