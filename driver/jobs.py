"""Jobs as they are found: in a storage, by listing and their drivers' signs of life, and in notebooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from driver.notebook import is_held, notebooks, read_notebook
from driver.pulse import BEAT, cancellation, shown
from mapreduce.errors import MissingObject
from mapreduce.objectstore import ObjectStore
from worker.layout import done_prefix, driver_key, failed_prefix, job_prefix

# Signs of life that a driver may miss before it is taken for dead: it may be waiting for a store.
_MISSED = 5
# Bytes of a driver's object that are read, at most.
_MOST = 1 << 20


@dataclass(frozen=True, kw_only=True)
class RoundFound:
    """A round: its tasks (0 where that is not known yet), those done, and the attempts that failed."""

    kind: str
    tasks: int
    done: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class JobFound:
    """A job in the storage.

    Attributes:
        job: its id.
        title: what it is called.
        who: user@machine that started it; "" where that is not told.
        started: when, in UTC, in ISO format.
        seen: when its driver last gave a sign of life, likewise; "" if never.
        state: "running"; "cancelling", when it has been asked to end; "abandoned", when nothing runs any
            more; "result", when its pairs are held by a process of this machine; "kept: <how it ended>",
            when its intermediates were to stay; "ended: <how>", where none but strangers' objects are left.
        resumable: whether this user can resume it here.
        rounds: those that have begun.
    """

    job: str
    title: str
    who: str
    started: str
    seen: str
    state: str
    resumable: bool
    rounds: list[RoundFound]


def find_jobs(storage: ObjectStore, home: str, now: datetime | None = None) -> Iterator[JobFound]:
    """The jobs of which a storage holds objects, the oldest first.

    A job costs a request for its driver's object, one for its rounds, and two or more for each round: a
    request lists 1,000 tasks.

    Args:
        storage: where to look.
        home: folder of this user's notebooks.
        now: the time of day.

    Raises:
        StoreError: it cannot be listed.
    """
    for job in sorted(storage.folders("jobs/")):
        yield find_job(storage, home, job, now)


def find_job(storage: ObjectStore, home: str, job: str, now: datetime | None = None) -> JobFound:
    """One job, as the storage and its notebook show it; its title is "" if there is neither."""
    told = _told(storage, job)
    noted = read_notebook(home, job)
    held = is_held(home, job)
    state = _state(told, noted, held=held, now=now or datetime.now(UTC))
    if state == "running" and cancellation(storage, job):
        state = "cancelling"
    return JobFound(
        job=job,
        title=shown(told.get("title") or noted.get("title") or ""),
        who=shown(told.get("who") or ""),
        started=shown(told.get("started") or _started(job)),
        seen=shown(told.get("beat") or ""),
        state=state,
        resumable=bool(noted.get("course")) and not noted.get("ended") and not held,
        rounds=_rounds(storage, job, told),
    )


def known_jobs(home: str) -> Iterator[dict[str, Any]]:
    """What notebooks tell of this user's jobs on this machine, the oldest first."""
    for job in notebooks(home):
        noted = read_notebook(home, job)
        yield {"job": job, **{name: value for name, value in noted.items() if name not in ("secret", "course")}}


def age(job: JobFound, now: datetime | None = None) -> float:
    """Seconds since anything was heard of a job."""
    for text in (job.seen, job.started):
        heard = _time(text)
        if heard is not None:
            return ((now or datetime.now(UTC)) - heard).total_seconds()
    return 0.0


def _told(storage: ObjectStore, job: str) -> dict[str, Any]:
    """What the job's driver has written of itself: anybody may have, so it is looked at with care."""
    try:
        told = json.loads(storage.get(driver_key(job), 0, _MOST))
    except (MissingObject, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _state(told: dict[str, Any], noted: dict[str, Any], *, held: bool, now: datetime) -> str:
    if ended := told.get("ended"):
        return f"kept: {shown(ended)}"
    if noted and not told:
        if noted.get("ended") and not noted.get("left"):
            return f"ended: {noted['ended']}"
        return "result" if held else "abandoned"
    beat = _time(told.get("beat"))
    alive = held if noted else beat is not None and (now - beat).total_seconds() < _MISSED * BEAT
    return "running" if alive else "abandoned"


def _rounds(storage: ObjectStore, job: str, told: dict[str, Any]) -> list[RoundFound]:
    outline = told.get("rounds")
    outline = outline if isinstance(outline, list) else []
    begun = sorted(int(name) for name in storage.folders(f"{job_prefix(job)}rounds/") if name.isdecimal())
    found = []
    for number in begun:
        kind, tasks = "", 0
        if number < len(outline):
            try:
                kind, tasks = shown(outline[number][0]), int(outline[number][1])
            except (TypeError, ValueError, IndexError, KeyError):
                kind, tasks = "", 0
        done = sum(1 for _ in storage.list(done_prefix(job, number)))
        failed = sum(1 for _ in storage.list(failed_prefix(job, number)))
        found.append(RoundFound(kind=kind, tasks=tasks, done=done, failed=failed))
    return found


def _started(job: str) -> str:
    """When a job was started, by its id."""
    try:
        return datetime.strptime(job[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return ""


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
