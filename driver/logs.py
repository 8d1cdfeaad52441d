"""What is known of a job's attempts: from its notebook, and from its records in the storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from driver.commits import Commit, Failure, read_commit, read_failure
from driver.notebook import read_events, read_notebook
from mapreduce.errors import AuthenticationError, ConfigError, MapReduceError
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from mapreduce.sizes import format_size
from shuffle import AttemptId
from worker.layout import done_prefix, failed_prefix, job_prefix


class Wanted(NamedTuple):
    """Which tasks somebody wants to know of: None stands for all."""

    round: int | None = None
    task: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> Wanted:
        """The tasks that "3" (in any round) or "1/3" (in round 1) stands for; all without a text.

        Raises:
            ConfigError: it is neither.
        """
        if text is None:
            return cls()
        number, slash, task = text.rpartition("/")
        if not task.isdecimal() or (slash and not number.isdecimal()):
            raise ConfigError(f"{text!r} names no task: write its number, or ROUND/TASK")
        return cls(int(number) if slash else None, int(task))

    def has(self, round: int, task: int) -> bool:
        """Whether a task is one of them."""
        return self.round in (None, round) and self.task in (None, task)


class Entry(NamedTuple):
    """Something that is known of an attempt.

    Attributes:
        round: number of its round.
        task: number of its task in the round.
        attempt: its own number.
        text: what is known, in one line.
        details: more lines: where user code failed, and at what.
    """

    round: int
    task: int
    attempt: int
    text: str
    details: str = ""


def find_entries(job: str, home: str, storage: ObjectStore, wanted: Wanted) -> Iterator[Entry]:
    """What is known of the attempts of `job`: all that failed, and those that committed where one task is wanted.

    Raises:
        ConfigError: nothing is known of such a job, neither here nor in the storage.
        StoreError: the storage cannot be read.
    """
    noted = read_notebook(home, job)
    rounds = sorted(int(name) for name in storage.folders(f"{job_prefix(job)}rounds/") if name.isdecimal())
    if not noted and not rounds:
        raise ConfigError(f"nothing is known of a job {job}, neither in {storage.url} nor in {home}")
    seal = Seal(bytes.fromhex(noted["secret"])) if noted.get("secret") else None
    entries = {(entry.round, entry.task, entry.attempt): entry for entry in _noted(job, home, wanted)}
    for number in rounds:
        for entry in _recorded(job, storage, seal, number, wanted):
            entries[entry.round, entry.task, entry.attempt] = entry
    yield from (entries[place] for place in sorted(entries))


def ending(job: str, home: str) -> str:
    """How a job ended, as its notebook has it; "" if it does not."""
    return "".join(
        f"ended after {event['seconds']:.2f} s: {event['error'] or 'it has its result'}"
        for event in read_events(home, job)
        if event["event"] == "JobEnded"
    )


def _noted(job: str, home: str, wanted: Wanted) -> Iterator[Entry]:
    for event in read_events(home, job):
        if event["event"] == "AttemptFailed" and wanted.has(event["round"], event["task"]):
            text = f"failed: {event['reason']}"
            yield Entry(event["round"], event["task"], event["attempt"], text, _details(event))


def _recorded(job: str, storage: ObjectStore, seal: Seal | None, number: int, wanted: Wanted) -> Iterator[Entry]:
    """What the records of a round in the storage tell."""
    prefix = failed_prefix(job, number)
    for info in storage.list(prefix):
        task, dot, attempt = info.key[len(prefix) :].partition(".")
        if dot and task.isdecimal() and attempt.isdecimal() and wanted.has(number, int(task)):
            yield _failed(storage, seal, AttemptId(job, number, int(task), int(attempt)))
    if wanted.task is None:
        return
    prefix = done_prefix(job, number)
    for info in storage.list(f"{prefix}{wanted.task:05d}"):
        if info.key == f"{prefix}{wanted.task:05d}" and wanted.has(number, wanted.task):
            yield _committed(storage, seal, job, number, wanted.task)


def _failed(storage: ObjectStore, seal: Seal | None, attempt: AttemptId) -> Entry:
    place = (attempt.round, attempt.task, attempt.attempt)
    try:
        failure = read_failure(storage, seal or _AnySeal(), attempt, "its record has just gone")
    except (AuthenticationError, ValueError, TypeError, KeyError) as error:
        return Entry(*place, f"failed, and its record cannot be read: {error}")
    reason = f"{failure.kind}: {failure.reason}" if failure.kind else failure.reason
    return Entry(*place, f"failed: {reason}{_doubt(seal)}", _details(_fields(failure)))


def _committed(storage: ObjectStore, seal: Seal | None, job: str, number: int, task: int) -> Entry:
    try:
        commit = read_commit(storage, seal or _AnySeal(), job, number, task)
        text = _measured(commit)
    except (MapReduceError, ValueError, TypeError, KeyError, AttributeError) as error:
        return Entry(number, task, 0, f"committed, and its record cannot be read: {error}")
    return Entry(number, task, commit.attempt, f"committed: {text}{_doubt(seal)}")


def _measured(commit: Commit) -> str:
    metrics = commit.metrics
    told = [
        f"{metrics['seconds']:.2f} s",
        f"{metrics['records_in']:,} read ({format_size(metrics['bytes_in'])})",
        f"{metrics['records_out']:,} written ({format_size(metrics['bytes_out'])})",
        f"{format_size(metrics['peak_memory'])} of memory at most",
        *(f"{name} {count:,}" for name, count in sorted(commit.counters.items())),
    ]
    return ", ".join(told)


def _details(fields: dict[str, Any]) -> str:
    """The lines that say where an attempt failed, and at what."""
    lines = []
    if fields.get("where"):
        lines.append(f"in {fields['where']}")
    if fields.get("record"):
        lines.append(f"at {fields['record']}")
    if fields.get("source"):
        lines.append(f"in the input {fields['source']}")
    return "\n".join([*lines, *str(fields.get("traceback", "")).splitlines()])


def _fields(failure: Failure) -> dict[str, Any]:
    return {
        "where": failure.where,
        "record": failure.record,
        "source": failure.source,
        "traceback": failure.traceback,
    }


def _doubt(seal: Seal | None) -> str:
    return "" if seal else " (anybody may have written this: the job's secret is not known here)"


class _AnySeal(Seal):
    """Takes records as they are, for showing them only: nothing of them is loaded but JSON."""

    def __init__(self) -> None:
        super().__init__(b"")

    def unwrap(self, context: str, sealed: bytes) -> bytes:
        data = sealed.partition(b"\n")[2]
        json.loads(data)
        return data
