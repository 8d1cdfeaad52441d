"""The user's output folder: refused or cleared as the user chose, and filled when the job has succeeded.

Attempts write below `_temporary/<job>`; nothing of a job that fails is seen as a part. While parts are
moved to their places, `_PUBLISHING` lists all names concerned, so that what a crash leaves is known.
`_SUCCESS` lists the job's parts: overwriting removes these and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence

from mapreduce.errors import ConfigError, MissingObject, OutputError, StoreError
from mapreduce.objectstore import Access, ObjectStore, open_store
from worker.layout import is_ours, part_key, temporary_key, temporary_prefix
from worker.output import Part

SUCCESS = "_SUCCESS"
PUBLISHING = "_PUBLISHING"


class OutputFolder:
    """The output of one job.

    Args:
        url: of the folder.
        job: id of the job.
        overwrite: whether an earlier result there may be replaced.
        access: how the store is reached.
        patient: makes a store that waits where it can help.
        first: number of this driver's first attempts; if it is not 0, earlier drivers of this job may have
            left something there.

    Raises:
        OutputError: the folder holds something that must not be replaced, or cannot be written.
    """

    def __init__(
        self,
        url: str,
        job: str,
        *,
        overwrite: bool,
        access: Access | None = None,
        patient: Callable[[ObjectStore], ObjectStore] = lambda store: store,
        first: int = 0,
    ) -> None:
        self.url = url
        self.store = open_store(url, "output", access)
        self.store.reach()
        self._store = patient(self.store)
        self._job = job
        self._resumed = first > 0
        present = [found.key for found in self._store.list("")]
        self._earlier = _recorded(self._store, SUCCESS) | _recorded(self._store, PUBLISHING)
        if self._resumed:
            ours = self._earlier if self._began() else set()
            present = [key for key in present if key not in ours and not is_ours(job, key)]
        if present and not overwrite:
            raise OutputError(
                f"the output folder {url} is not empty (it holds {present[0]}): choose another, or allow to overwrite"
                " the result in it (--overwrite, overwrite=True)"
            )
        strangers = [key for key in present if key not in self._earlier and (key.startswith("part-") or key == SUCCESS)]
        if strangers:
            raise OutputError(
                f"the output folder {url} holds {strangers[0]}, which no job recorded as its own, so it is not"
                " overwritten: choose another folder"
            )
        probe = temporary_key(job, 0, first)
        try:  # now, not when hours of work are to be written
            self._store.put(probe, b"")
            self._store.delete([probe])
        except StoreError as error:
            raise OutputError(f"the output folder {url} cannot be written: {error}") from error

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Give the parts their names, in place of those of an earlier result; returns the names."""
        names = [part_key(number) for number in range(len(parts))]
        new = {*names, SUCCESS}
        moving = {part.key for part in parts}
        if self._resumed:
            self._look_for(moving)
        self._store.put(PUBLISHING, _record(self._job, sorted(new | moving | self._earlier)))
        self._store.delete([SUCCESS, *sorted(self._earlier - new - moving - {PUBLISHING})])
        for part, name in zip(parts, names, strict=True):
            self._store.move(part.key, name)
        self._store.put(SUCCESS, _record(self._job, names))
        self._store.delete([PUBLISHING])
        return names

    def _began(self) -> bool:
        """Whether an earlier driver of this job began to publish, and nobody has since."""
        return self._job in (_publisher(self._store, PUBLISHING), _publisher(self._store, SUCCESS))

    def _look_for(self, moving: set[str]) -> None:
        """Refuse to publish parts that somebody has taken away, since a part may be missing only where we moved it."""
        left = {found.key for found in self._store.list(temporary_prefix(self._job))}
        if moving - left and not self._began():
            raise OutputError(
                f"the output folder {self.url} does not hold {min(moving - left)}, which job {self._job} wrote there:"
                " somebody removed it, or replaced the job's result; run the job again"
            )

    def clear(self, attempts: Sequence[tuple[int, int]]) -> None:
        """Remove what these attempts (task and number) left unpublished."""
        self.store.delete([temporary_key(self._job, task, attempt) for task, attempt in attempts])
        self.store.sweep(temporary_prefix(self._job))


def refuse_overlap(output: str, urls: Sequence[str]) -> None:
    """Refuse an output folder that holds input: the next run would read it."""
    folder = output.rstrip(os.sep) + os.sep
    for url in urls:
        if url.startswith(folder):
            raise ConfigError(f"output: the folder {output} holds the input {url}; choose another")


def _record(job: str, names: Sequence[str]) -> bytes:
    return json.dumps({"job": job, "objects": names}, indent=1).encode()


def _publisher(store: ObjectStore, marker: str) -> str:
    """The job that wrote a marker; "" if none did."""
    try:
        return str(json.loads(store.get(marker))["job"])
    except (MissingObject, ValueError, TypeError, KeyError):
        return ""


def _recorded(store: ObjectStore, marker: str) -> set[str]:
    """The names that a job recorded in a marker, and the marker's own; none if no job did."""
    try:
        record = json.loads(store.get(marker))
        return {marker, *map(str, record["objects"])}
    except MissingObject:
        return set()
    except (ValueError, TypeError, KeyError):
        return set()  # another program's marker: what lies there is not ours
