"""Bundles in a storage: put where they are not, used by many jobs, and removed when nobody has used them for a while.

Beside each lies a sign of when a job last began that needs it; a job whose objects are in the storage
names the bundle in its description.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from driver.bundles import Bundle
from driver.pulse import stamp
from mapreduce.errors import MissingObject
from mapreduce.objectstore import ObjectStore
from worker.layout import bundle_key, bundles_prefix, job_key, used_key

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Unused(NamedTuple):
    """A bundle that no job needs.

    Attributes:
        digest: of the bundle.
        size: its bytes.
        used: when a job last began that needed it, in ISO format; "" where that is not known.
    """

    digest: str
    size: int
    used: str


def put_bundle(storage: ObjectStore, bundle: Bundle, now: Callable[[], float] = time.time) -> str:
    """Put a bundle, unless it is there, and the sign that it is used; returns its key.

    Args:
        storage: of the job that needs it.
        bundle: on this machine.
        now: gives the time of day, in seconds since the epoch.
    """
    key = bundle_key(bundle.digest)
    # First, so that nobody takes for unused what is just being written.
    storage.put(used_key(bundle.digest), json.dumps({"used": stamp(now())}).encode())
    try:
        if storage.size(key) == bundle.size:
            return key
    except MissingObject:
        pass
    with bundle.path.open("rb") as file, storage.create(key) as writer:
        while data := file.read(1 << 20):
            writer.write(data)
    return key


def find_unused(
    storage: ObjectStore, older: float, *, without: Collection[str] = (), now: datetime | None = None
) -> list[Unused]:
    """Bundles that no job in the storage names, and that no job has needed that began within the last seconds.

    Args:
        storage: where to look.
        older: so many seconds.
        without: jobs that count as gone.
        now: the time of day.

    Raises:
        StoreError: the storage cannot be read.
    """
    prefix = bundles_prefix()
    sizes = {info.key[len(prefix) :]: info.size for info in storage.list(prefix)}
    digests = [name for name in sizes if _DIGEST.fullmatch(name)]
    if not digests:
        return []
    named = {_described(storage, job).get("libraries") for job in storage.folders("jobs/") if job not in without}
    found = []
    for digest in digests:
        used = _used(storage, digest)
        late = used is not None and ((now or datetime.now(UTC)) - used).total_seconds() < older
        if not late and bundle_key(digest) not in named:
            found.append(Unused(digest, sizes[digest], "" if used is None else used.isoformat()))
    return found


def remove_unused(storage: ObjectStore, wanted: Sequence[Unused], older: float, now: datetime | None = None) -> int:
    """Delete bundles that are unused still; returns how many."""
    doomed = set(wanted) & set(find_unused(storage, older, now=now))
    storage.delete(bundle_key(one.digest) for one in doomed)
    storage.delete(used_key(one.digest) for one in doomed)
    return len(doomed)


def _used(storage: ObjectStore, digest: str) -> datetime | None:
    """When a job last began that needs a bundle; None where nobody can tell."""
    try:
        used = datetime.fromisoformat(json.loads(storage.get(used_key(digest)))["used"])
    except (MissingObject, ValueError, KeyError, TypeError):  # anybody may have written it
        return None
    return used if used.tzinfo is not None else None


def _described(storage: ObjectStore, job: str) -> dict[str, Any]:
    try:
        told = json.loads(storage.get(job_key(job)))
    except (MissingObject, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
