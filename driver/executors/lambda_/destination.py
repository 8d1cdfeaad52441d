"""The function's failure destination: what the service writes down of events that it could not have run.

The service writes one object for each such event, into a bucket, below
aws/lambda/async/<function>/<year>/<month>/<day>/. The object repeats the event, with the secret of the
job as `worker.veil` hides it; it is deleted as soon as it has been read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from driver.executors.lambda_.reasons import reason
from mapreduce.errors import MissingObject
from mapreduce.objectstore import ObjectStore
from shuffle.base import AttemptId

# Seconds by which the clocks of this machine and of the service may differ.
_SKEW = timedelta(minutes=15)


class Destination:
    """Reads what the service wrote of this driver's events.

    Args:
        store: the bucket.
        function: name of the function.
        mine: tells whether an attempt is one of this driver's.
        now: gives the time.
    """

    def __init__(
        self,
        store: ObjectStore,
        function: str,
        mine: Callable[[AttemptId], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._prefix = f"aws/lambda/async/{function}/"
        self._mine = mine
        self._now = now
        self._seen: set[str] = set()

    def look(self) -> Iterator[tuple[AttemptId, str]]:
        """Attempts of this driver that ended, and how.

        Raises:
            StoreError: the bucket cannot be read.
        """
        now = self._now()
        for day in sorted({f"{moment:%Y/%m/%d}" for moment in (now - _SKEW, now + _SKEW)}):
            for info in list(self._store.list(f"{self._prefix}{day}/")):
                if info.key in self._seen:
                    continue
                self._seen.add(info.key)
                try:
                    record = json.loads(self._store.get(info.key))
                except (MissingObject, ValueError):  # its driver was faster; or not what the service writes
                    continue
                attempts = _attempts(record.get("requestPayload"))
                if attempts and all(self._mine(attempt) for attempt in attempts):
                    for attempt in attempts:
                        yield attempt, _how(record)
                    self._store.delete([info.key])


def _attempts(event: Any) -> list[AttemptId]:
    """The attempts that an event was to run."""
    try:
        return [AttemptId(*event["attempt"]["attempt"])]
    except (KeyError, TypeError):
        return []


def _how(record: Any) -> str:
    context = record.get("requestContext") or {}
    if context.get("condition") == "EventAgeExceeded":
        return "never started: its event waited for longer than the service keeps events"
    return reason(record.get("responsePayload") or {})
