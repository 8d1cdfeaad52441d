"""The pulse of a job: its driver shows in the storage that it is alive, and looks whether the job is to end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from mapreduce.errors import JobCancelled, MissingObject
from mapreduce.objectstore import ObjectStore
from worker.layout import cancel_key, driver_key

#: Seconds between two signs of life.
BEAT = 60.0
#: Seconds between two looks whether somebody wants the job to end.
LOOK = 5.0
# Characters that are shown of what others may have written.
_SHOWN = 200


class Pulse:
    """Writes the object `driver_key`, at a slow pace, and reads `cancel_key`, a little faster.

    Args:
        storage: the object store of control keys.
        job: id of the job.
        clock: gives the time in seconds.
        now: gives the time of day, in seconds since the epoch.
    """

    def __init__(
        self,
        storage: ObjectStore,
        job: str,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._job = job
        self._clock = clock
        self._now = now
        self._told: dict[str, Any] = {}
        self._rounds: list[list[Any]] = []
        self._beaten = self._looked = clock()

    def begin(self, title: str, rounds: list[list[Any]]) -> None:
        """Show that the job has begun.

        Args:
            title: what it is called.
            rounds: kind and number of tasks of each round; 0 where it is not known yet.
        """
        self._told = {"job": self._job, "title": title, "who": who(), "started": stamp(self._now()), "every": BEAT}
        self._rounds = rounds
        self._write()

    def round(self, number: int, kind: str, tasks: int) -> None:
        """Show a round, if it was not known that it comes, or how many tasks it has."""
        if self._rounds[number : number + 1] == [[kind, tasks]]:
            return
        if number < len(self._rounds) and self._rounds[number][0] == kind:
            self._rounds[number][1] = tasks
        else:
            self._rounds.insert(number, [kind, tasks])
        self._write()

    def beat(self) -> None:
        """Do what is due.

        Raises:
            JobCancelled: somebody wants the job to end.
        """
        now = self._clock()
        if now - self._looked >= LOOK:
            self._looked = now
            asked = cancellation(self._storage, self._job)
            if asked:
                raise JobCancelled(f"job {self._job} was cancelled by {asked}")
        if now - self._beaten >= BEAT:
            self._write()

    def end(self, how: str) -> None:
        """Show that the job has ended, and how, while its objects stay."""
        self._told["ended"] = how
        self._write()

    def _write(self) -> None:
        self._beaten = self._clock()
        told = {**self._told, "beat": stamp(self._now()), "rounds": self._rounds}
        self._storage.put(driver_key(self._job), json.dumps(told).encode())


def outline(tasks: int, partitions: Sequence[int]) -> list[list[Any]]:
    """Kind and number of tasks of the rounds that a job has at least; 0 where it depends on the rounds before.

    Args:
        tasks: of the first map round.
        partitions: of each job of the chain; 0 without a reducer.
    """
    rounds: list[list[Any]] = []
    for number, count in enumerate(partitions):
        rounds.append(["map", 0 if number else tasks])
        if count:
            rounds.append(["reduce", count])
    return rounds


def who() -> str:
    """The user and the machine, as people know them."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{os.uname().nodename}"


def stamp(seconds: float) -> str:
    """A time of day, in UTC, as text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def ask_to_cancel(storage: ObjectStore, job: str) -> None:
    """Have the job's driver, wherever it runs, end the job."""
    storage.put(cancel_key(job), json.dumps({"who": who(), "at": stamp(time.time())}).encode())


def cancellation(storage: ObjectStore, job: str) -> str:
    """Who has asked for the job's end, and when; "" if nobody has."""
    try:
        data = storage.get(cancel_key(job), 0, 4096)
    except MissingObject:
        return ""
    try:
        asked = json.loads(data)
        return shown(f"{asked['who']} at {asked['at']}")
    except (ValueError, TypeError, KeyError):
        return "somebody who did not say who"


def shown(text: Any) -> str:
    """What somebody else wrote, as it may be shown on a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))[:_SHOWN]
