"""Events: what happens while jobs run, for progress, history and measurement.

The engine prints nothing; it calls every callback of its driver with each event, in the thread that
runs the job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class JobStarted:
    """A job's input has been planned and its code shipped.

    Attributes:
        job: id of the job.
        title: what the job is called.
        rounds: how many rounds it will have, but for merges that turn out to pay.
        bytes_in: size of the input.
        modules: the user's modules that were shipped.
        resumed: whether another driver started it before.
    """

    job: str
    title: str
    rounds: int
    bytes_in: int
    modules: tuple[str, ...]
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something may go wrong, of which the user should know before it does."""

    job: str
    text: str


@dataclass(frozen=True, kw_only=True)
class StorageLost:
    """A store cannot be reached, for a reason that may pass; the driver tries again for `patience` seconds."""

    job: str
    reason: str
    patience: float


@dataclass(frozen=True, kw_only=True)
class StorageReached:
    """The store can be reached again, after about so many seconds."""

    job: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RoundStarted:
    """A round's first attempts are about to start."""

    job: str
    round: int
    kind: Literal["map", "merge", "reduce"]
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
    """An attempt has failed; `retried` tells whether its task is tried again.

    Where user code raised, `where` is the file, line and function, `traceback` the whole of it, `record`
    what it was given, and `source` where that came from.
    """

    job: str
    round: int
    task: int
    attempt: int
    reason: str
    retried: bool
    where: str = ""
    traceback: str = ""
    record: str = ""
    source: str = ""


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


Event = (
    JobStarted
    | Warned
    | StorageLost
    | StorageReached
    | RoundStarted
    | TaskEnded
    | AttemptFailed
    | RoundEnded
    | JobEnded
)
Callback = Callable[[Event], None]
