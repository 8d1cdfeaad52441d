"""What jobs have left behind, found by listing, and deleted by names that only jobs give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mapreduce.objectstore import ObjectInfo, ObjectStore
from shuffle import AttemptId, ObjectShuffle, ShuffleStore
from worker.layout import is_ours, job_prefix, temporary_prefix


@dataclass(frozen=True)
class Place:
    """A part of a store where objects of a job lie, and nothing else should."""

    store: ObjectStore
    prefix: str
    ours: list[ObjectInfo] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Leftovers:
    """What a job has left.

    Attributes:
        job: its id.
        places: where it was looked for, and what was found.
    """

    job: str
    places: list[Place]

    @property
    def count(self) -> int:
        """How many objects of the job there are."""
        return sum(len(place.ours) for place in self.places)

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(info.size for place in self.places for info in place.ours)

    @property
    def strangers(self) -> list[str]:
        """URLs of objects that lie among them and that no job gives such names: they stay."""
        return [f"{place.store.url}/{key}" for place in self.places for key in place.strangers]


def find_leftovers(
    job: str, storage: ObjectStore, shuffle: ShuffleStore | None, output: ObjectStore | None
) -> Leftovers:
    """Look for what a job, of which nothing runs any more, has left.

    What a shuffle store cannot list expires by itself there: see `derived_attempts`.

    Raises:
        StoreError: a store cannot be listed.
    """
    places = [_look(job, storage, job_prefix(job), "")]
    within = f"{storage.url}/jobs"
    if isinstance(shuffle, ObjectShuffle) and shuffle.url != within:
        places.append(_look(job, shuffle.store, f"{job}/", "jobs/"))
    if output is not None:
        places.append(_look(job, output, temporary_prefix(job), ""))
    return Leftovers(job, places)


def clear(leftovers: Leftovers, kept: Iterable[str] = ()) -> None:
    """Delete what is the job's, but for the keys `kept`.

    Raises:
        StoreError: a store does not do it.
    """
    kept = set(kept)
    for place in leftovers.places:
        place.store.delete(info.key for info in place.ours if info.key not in kept)
        place.store.sweep(place.prefix)


def derived_attempts(job: str, maps: Iterable[tuple[int, int]], drivers: int, tries: int) -> Iterator[AttemptId]:
    """Attempts that may have written to a shuffle store that cannot be listed.

    Args:
        job: its id.
        maps: number and tasks of each round that writes there.
        drivers: how many have run it.
        tries: of one task by one driver, at most.
    """
    from driver.round import ATTEMPTS

    for number, tasks in maps:
        for task in range(tasks):
            for driver in range(drivers):
                for attempt in range(tries):
                    yield AttemptId(job, number, task, driver * ATTEMPTS + attempt)


def _look(job: str, store: ObjectStore, prefix: str, above: str) -> Place:
    """What lies below `prefix`, in a store whose keys lack what is `above` it in the layout."""
    place = Place(store, prefix)
    for info in store.list(prefix):
        if is_ours(job, above + info.key):
            place.ours.append(info)
        else:
            place.strangers.append(info.key)
    return place
