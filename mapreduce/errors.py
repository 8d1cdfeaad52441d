"""Every error that the framework raises on purpose.

MapReduceError
├── ConfigError (ValueError)        a setting or an argument that cannot be used
├── InputError                      input that is absent, unreadable or not in its format
├── OutputError                     output that cannot or must not be written
├── KeyTypeError (TypeError)        a key that has no stable identity across processes
├── CodeError                       user code that cannot be shipped or loaded
├── StoreError                      an object store that failed or misbehaved
│   ├── MissingObject (LookupError)
│   └── UnreachableStore            ... for a reason that may pass: no answer, overload, expired credentials
├── JobError                        a job that ended without a result
│   ├── JobCancelled                ... because somebody ended it
│   └── TaskError                   ... because one of its tasks failed too often
├── AuthenticationError             bytes that do not carry this job's tag
├── BlockError                      a block that is truncated, corrupt or foreign
└── LostBlocks                      committed shuffle data that is gone: the driver re-runs its maps
"""

from __future__ import annotations

__all__ = [
    "AuthenticationError",
    "BlockError",
    "CodeError",
    "ConfigError",
    "InputError",
    "JobCancelled",
    "JobError",
    "KeyTypeError",
    "LostBlocks",
    "MapReduceError",
    "MissingObject",
    "OutputError",
    "StoreError",
    "TaskError",
    "UnreachableStore",
]


class MapReduceError(Exception):
    """The base of all errors of this framework."""


class ConfigError(MapReduceError, ValueError):
    """A setting or an argument cannot be used; the message names it."""


class InputError(MapReduceError):
    """The input is absent, changed while the job ran, or is not in its format."""


class OutputError(MapReduceError):
    """The output folder or a record of the output cannot be written as asked."""


class KeyTypeError(MapReduceError, TypeError):
    """A key has no identity that every worker computes alike; the message names its type."""


class CodeError(MapReduceError):
    """User code cannot be shipped to, or loaded in, a worker; the message names the culprit."""


class StoreError(MapReduceError):
    """An object store refused or failed an operation."""


class MissingObject(StoreError, LookupError):
    """An object store has no object of that key."""


class UnreachableStore(StoreError):
    """An object store cannot be reached now, for a reason that may pass: the driver waits, and tries again."""


class AuthenticationError(MapReduceError):
    """Bytes from a store do not carry the tag of this job's secret; they were not loaded."""


class BlockError(MapReduceError):
    """A block is truncated, corrupt, or not the one that was asked for."""


class LostBlocks(MapReduceError):
    """Committed shuffle data is missing or damaged.

    Args:
        message: what was found, and where.
        tasks: the map tasks whose data is concerned.
    """

    def __init__(self, message: str, tasks: tuple[int, ...]) -> None:
        super().__init__(message)
        self.tasks = tasks


class JobError(MapReduceError):
    """The job ended without a result."""


class JobCancelled(JobError):
    """Somebody has asked for the job's end; the message says who."""


class TaskError(JobError):
    """A task failed in each of its attempts, so the job ended without a result.

    Attributes:
        job: id of the job.
        round: number of the round, from 0.
        task: number of the task in its round, from 0.
        attempt: number of the last attempt, from 0.
        kind: qualified type of the remote exception, or what ended the attempt ("killed", ...).
        reason: the remote exception's message, or how the attempt ended.
        where: file, line and function in which it arose, or "".
        traceback: the remote traceback as text, or "".
        record: the repr of the record or key that user code was given, cut short, or "".
        source: the input that the record came from, or "".
    """

    def __init__(
        self,
        *,
        job: str,
        round: int,
        task: int,
        attempt: int,
        kind: str,
        reason: str,
        where: str = "",
        traceback: str = "",
        record: str = "",
        source: str = "",
        role: str = "task",
    ) -> None:
        self.job = job
        self.round = round
        self.task = task
        self.attempt = attempt
        self.kind = kind
        self.reason = reason
        self.where = where
        self.traceback = traceback
        self.record = record
        self.source = source
        subject = f"{role} {task} of round {round} (job {job}, attempt {attempt})"
        text = f"{subject} failed: {kind}: {reason}" if kind else f"{subject} failed: {reason}"
        if where:
            text += f" ({where})"
        if record:
            text += f"; at {record}"
        if source:
            text += f"; in {source}"
        super().__init__(text)
