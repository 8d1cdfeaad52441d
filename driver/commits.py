"""Commit and failure records, as the driver reads them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mapreduce.errors import MissingObject
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from shuffle.base import AttemptId, Receipt
from worker.layout import done_key, failed_key
from worker.output import Part


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The attempt that won a task: what it wrote, counted and measured; see `worker.attempt`."""

    task: int
    attempt: int
    receipt: Receipt | None
    part: Part | None
    counters: dict[str, int]
    metrics: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an attempt failed: a remote exception, or how its worker ended."""

    kind: str = ""
    reason: str = ""
    where: str = ""
    traceback: str = ""
    record: str = ""
    source: str = ""
    lost: tuple[int, ...] = ()


def read_commit(storage: ObjectStore, seal: Seal, job: str, round_number: int, task: int) -> Commit:
    """The commit record of a task that is done.

    Raises:
        AuthenticationError: it is not one that a worker of this job wrote.
    """
    key = done_key(job, round_number, task)
    record = json.loads(seal.unwrap(key, storage.get(key)))
    return Commit(
        task=record["task"],
        attempt=record["attempt"],
        receipt=None if record["receipt"] is None else Receipt.from_json(record["receipt"]),
        part=None if record["part"] is None else Part(*record["part"]),
        counters=record["counters"],
        metrics=record["metrics"],
    )


def read_failure(storage: ObjectStore, seal: Seal, attempt: AttemptId, how: str) -> Failure:
    """Why `attempt` failed: what it wrote down, else `how` its worker is known to have ended.

    Raises:
        AuthenticationError: what was written down is not by a worker of this job.
    """
    key = failed_key(*attempt)
    try:
        fields = json.loads(seal.unwrap(key, storage.get(key)))
    except MissingObject:
        return Failure(reason=how or "its worker returned, and left neither a commit record nor a reason")
    return Failure(**{**fields, "lost": tuple(fields["lost"])})
