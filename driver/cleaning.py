"""Jobs of this user of which nothing runs any more, and what they have left: found, and removed when asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from driver.housekeeping import Leftovers, clear, derived_attempts, find_leftovers
from driver.jobs import JobFound, age, find_jobs
from driver.notebook import Notebook, is_held, notebooks, read_notebook
from driver.output import PUBLISHING
from driver.pulse import who
from driver.settings import Settings
from mapreduce.errors import ConfigError, MissingObject, StoreError
from mapreduce.objectstore import ObjectStore, open_store
from shuffle import ObjectShuffle, ShuffleStore, open_shuffle
from worker.layout import job_key, temporary_prefix

# Attempts of a task that one driver may have started, where a store cannot list what they wrote.
_TRIES = 4


@dataclass(frozen=True)
class Abandoned:
    """A job that left something.

    Attributes:
        title: what it is called.
        state: as in `JobFound`.
        leftovers: what was found of it.
        shuffle: its shuffle store.
        maps: number and tasks of its rounds that write to the shuffle store.
        notices: what the user should know before it is removed.
    """

    title: str
    state: str
    leftovers: Leftovers
    shuffle: ShuffleStore | None
    maps: list[tuple[int, int]]
    notices: list[str] = field(default_factory=list)


def find_abandoned(
    settings: Settings, older: float, *, kept: bool = False, now: datetime | None = None
) -> Iterator[Abandoned]:
    """Jobs of this user in the storage of `settings` that nobody runs, and of which nothing was heard for a while.

    Args:
        settings: name storage and, for jobs that this machine does not know, shuffle.
        older: seconds since the last sign of life, at least.
        kept: whether to take those too whose intermediates were to stay.
        now: the time of day.

    Raises:
        StoreError: the storage cannot be listed.
    """
    storage = open_store(settings.storage, access=settings.access)
    known = set(notebooks(settings.state))
    seen = set()
    for found in find_jobs(storage, settings.state, now):
        seen.add(found.job)
        if not (found.state == "abandoned" or (kept and found.state.startswith("kept"))) or age(found, now) < older:
            continue
        if found.job in known or found.who.rpartition("@")[0] == who().rpartition("@")[0]:
            yield _examine(found, storage, settings)
    for job in known - seen:
        found_here = _left_elsewhere(job, settings, now, older)
        if found_here is not None:
            yield _examine(found_here, storage, settings)


def remove(abandoned: Abandoned, settings: Settings) -> None:
    """Delete what a job has left; nobody can resume it meanwhile, or any more.

    Raises:
        JobError: somebody resumes it now.
        StoreError: a store does not do it.
    """
    job = abandoned.leftovers.job
    notebook = Notebook.take(settings.state, job) if read_notebook(settings.state, job) else Notebook()
    try:
        drivers = int(notebook.fields.get("drivers", 1))
        if abandoned.shuffle is not None and not isinstance(abandoned.shuffle, ObjectShuffle):
            abandoned.shuffle.sweep(derived_attempts(job, abandoned.maps, drivers, _TRIES))
        clear(abandoned.leftovers)
        if notebook.fields:
            notebook.write(ended=notebook.fields.get("ended", "abandoned"), left=None, secret=None, course=None)
    finally:
        notebook.close()


def _left_elsewhere(job: str, settings: Settings, now: datetime | None, older: float) -> JobFound | None:
    """A job of which the storage holds nothing, but perhaps its shuffle store or output does."""
    noted = read_notebook(settings.state, job)
    if (noted.get("ended") and not noted.get("left")) or noted.get("settings", {}).get("storage") != settings.storage:
        return None
    if is_held(settings.state, job):
        return None
    started = datetime.strptime(f"{job[:15]}+0000", "%Y%m%d-%H%M%S%z").isoformat()
    found = JobFound(
        job=job,
        title=noted.get("title", ""),
        who="",
        started=started,
        seen="",
        state="abandoned",
        resumable=False,
        rounds=[],
    )
    return found if age(found, now) >= older else None


def _examine(found: JobFound, storage: ObjectStore, settings: Settings) -> Abandoned:
    """What a job has left, wherever its notebook, or else its description, says that it wrote."""
    noted = read_notebook(settings.state, found.job)
    notices: list[str] = []
    shuffle = output = None
    try:
        shuffle = open_shuffle(settings.going_on(noted.get("settings", {})).shuffle, settings.access, storage)
    except (ConfigError, StoreError) as error:
        notices.append(f"its shuffle store is left as it is: {error}")
    url = noted["output"] if "output" in noted else _described(storage, found.job).get("output")
    if url:
        output = _output(str(url), found.job, settings, notices)
    leftovers = find_leftovers(found.job, storage, shuffle, output)
    if shuffle is not None and not isinstance(shuffle, ObjectShuffle):
        notices.append(f"what it left in {shuffle.url} cannot be listed: it is removed by name, or expires by itself")
    maps = [(number, one.tasks) for number, one in enumerate(found.rounds) if one.kind != "reduce"]
    if found.resumable:
        notices.append(f"it can still be resumed: mapreduce resume {found.job}")
    return Abandoned(found.title, found.state, leftovers, shuffle, maps, notices)


def _output(url: str, job: str, settings: Settings, notices: list[str]) -> ObjectStore | None:
    """The store of a job's output folder, if it can be listed."""
    try:
        output = open_store(url, "output", settings.access)
        list(output.list(temporary_prefix(job)))
    except (ConfigError, StoreError) as error:
        notices.append(f"its output folder is left as it is: {error}")
        return None
    try:
        if json.loads(output.get(PUBLISHING)).get("job") == job:
            notices.append(f"its parts were being moved to their places in {url}: those that were stay")
    except (MissingObject, ValueError, AttributeError):
        return output
    return output


def _described(storage: ObjectStore, job: str) -> dict[str, Any]:
    try:
        description = json.loads(storage.get(job_key(job)))
    except (MissingObject, ValueError):
        return {}
    return description if isinstance(description, dict) else {}
