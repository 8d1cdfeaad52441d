"""Events: what happens while jobs run, for progress, history and measurement.

The engine prints nothing; it calls every callback of its driver with each event, in the thread that
runs the job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from worker.payload import Kind


@dataclass(frozen=True, kw_only=True)
class JobStarted:
    """A job's input has been planned and its code shipped.

    Attributes:
        job: id of the job.
        title: what the job is called.
        rounds: how many rounds it will have.
        bytes_in: size of the input.
        modules: the user's modules that were shipped.
    """

    job: str
    title: str
    rounds: int
    bytes_in: int
    modules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something may go wrong, of which the user should know before it does."""

    job: str
    text: str


@dataclass(frozen=True, kw_only=True)
class RoundStarted:
    """A round's first attempts are about to start."""

    job: str
    round: int
    kind: Kind
    tasks: int


@dataclass(frozen=True, kw_only=True)
class TaskEnded:
    """A task has been committed, `done` of `tasks` by now; `seconds` is how long its attempt took."""

    job: str
    round: int
    task: int
    attempt: int
    done: int
    tasks: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class AttemptFailed:
    """An attempt has failed; `retried` tells whether its task is tried again."""

    job: str
    round: int
    task: int
    attempt: int
    reason: str
    retried: bool


@dataclass(frozen=True, kw_only=True)
class RoundEnded:
    """A round's barrier has been crossed."""

    job: str
    round: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    """A job has ended; `error` is "" where it has a result."""

    job: str
    seconds: float
    error: str


Event = JobStarted | Warned | RoundStarted | TaskEnded | AttemptFailed | RoundEnded | JobEnded
Callback = Callable[[Event], None]
