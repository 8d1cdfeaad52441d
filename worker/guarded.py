"""An attempt in a sandbox of a function: it runs once, within its time, and until its job is cancelled.

The service delivers an event at least once, nobody can reach a sandbox from outside, and its end at
the deadline comes without a word. So an attempt is claimed by a key that exactly one delivery can
create, looks for the key of a cancelled job now and then, and is interrupted before its time is over.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mapreduce.errors import MissingObject, StoreError
from mapreduce.objectstore import Access, ObjectStore, open_store
from mapreduce.seal import Seal
from worker.attempt import TimedOut, run_attempt
from worker.layout import cancelled_key, started_key
from worker.payload import Payload

#: Status of a worker process that ended itself since its job was cancelled.
CANCELLED = 99
# Seconds between looks for the key of a cancelled job: a look costs as much as 12 ms of a sandbox of 2 GB.
_LOOK = 3.0


def run_guarded(frame: bytes) -> str:
    """Run the attempt that a frame tells of.

    Args:
        frame: JSON: the `payload`, the `limit` in seconds, and `by`, what is to be known of who runs it.

    Returns:
        What `run_attempt` returns; "duplicate" if the attempt runs elsewhere, or ran; "cancelled".

    Raises:
        StoreError: not even a failure could be written down.
    """
    told = json.loads(frame)
    payload = Payload.from_fields(told["payload"])
    storage = open_store(payload.storage, access=Access(**payload.access))
    if not _claim(storage, payload, told["by"]):
        return "duplicate"
    if _is_cancelled(storage, payload.attempt.job):
        storage.delete([started_key(*payload.attempt)])
        return "cancelled"
    try:
        with _alarm(told["limit"]), _looking(storage, payload.attempt.job):
            return run_attempt(payload)
    except TimedOut as error:  # when all was done but the last word; its keys tell how far that came
        return f"error: {error}"


def _claim(storage: ObjectStore, payload: Payload, by: dict[str, Any]) -> bool:
    """Whether this process is the one to run the attempt."""
    key = started_key(*payload.attempt)
    seal = Seal(bytes.fromhex(payload.secret))
    # The token tells our own claim from another's when the store had to repeat the request.
    claim = seal.wrap(key, json.dumps({**by, "token": secrets.token_hex(8)}).encode())
    return storage.put_if_absent(key, claim) or storage.get(key) == claim


def _is_cancelled(storage: ObjectStore, job: str) -> bool:
    try:
        storage.size(cancelled_key(job))
    except MissingObject:
        return False
    return True


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimedOut in the main thread when so much time has passed."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimedOut(f"it had taken {seconds:g} s, which is all that the setting timeout or its function allows")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _looking(storage: ObjectStore, job: str) -> Iterator[None]:
    """End this process when the job is cancelled."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            try:
                if _is_cancelled(storage, job) and not over.is_set():
                    os._exit(CANCELLED)
            except StoreError:  # the attempt itself will tell if the store is gone
                continue

    threading.Thread(target=look, name="cancelled", daemon=True).start()
    try:
        yield
    finally:
        over.set()
