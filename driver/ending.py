"""The end of a run: what it tells of itself, and what of it goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from driver.notebook import Notebook
from driver.result import Round
from driver.round import RoundRun
from mapreduce.objectstore import Access, Requests, open_store
from shuffle import ShuffleStore
from worker.layout import done_key, failed_key, out_key, plan_key, started_key


class Forget:
    """Deletes the parts of a result, and ends its notebook; holds nothing that holds the result."""

    def __init__(self, storage: str, access: Access, keys: list[str], notebook: Notebook) -> None:
        self._storage = storage
        self._access = access
        self._keys = keys
        self._notebook = notebook

    def __call__(self) -> None:
        open_store(self._storage, access=self._access).delete(self._keys)
        self._notebook.write(left=None)
        self._notebook.close()


def report(runs: Sequence[RoundRun], asked: Requests, *, size: int, memory: int, seconds: float) -> dict[str, Any]:
    """The fields of a result that tell how the job went.

    Args:
        runs: the rounds.
        asked: what the driver asked of the storage.
        size: of the input, in bytes.
        memory: bytes that one worker may have used.
        seconds: that the run took.
    """
    rounds = tuple(map(_summary, runs))
    counters: Counter[str] = Counter()
    for run in runs:
        for commit in run.commits.values():
            if run.kind != "sample":  # whose records are mapped again
                counters.update(commit.counters)
    requests: Counter[str] = Counter(asked.snapshot())
    for one in rounds:
        requests.update(one.requests)
    metrics = {
        "seconds": seconds,
        "memory": memory,
        "bytes_in": size,
        "records_in": next(one.records_in for one in rounds if one.kind != "sample"),
        "records_out": rounds[-1].records_out,
        "bytes_out": rounds[-1].bytes_out,
        "bytes_shuffled": sum(one.bytes_in for one in rounds if one.kind == "reduce"),
        "bytes_spilled": sum(one.spilled for one in rounds),
        "peak_memory": max(one.peak_memory for one in rounds),
        "attempts": sum(one.attempts for one in rounds),
        "requests": dict(requests),
    }
    return {"counters": dict(sorted(counters.items())), "rounds": rounds, "metrics": metrics}


def discard(shuffle: ShuffleStore, runs: Sequence[RoundRun]) -> None:
    """Delete what attempts wrote to the shuffle store."""
    commits = (commit for run in runs for commit in (*run.commits.values(), *run.withdrawn))
    shuffle.discard(commit.receipt for commit in commits if commit.receipt is not None)
    shuffle.sweep(attempt for run in runs for attempt in run.started)


def names_of(job: str, runs: Sequence[RoundRun], kept: set[str]) -> Iterator[str]:
    """The keys that rounds and their attempts may have given to objects of the storage, but for those `kept`."""
    for run in runs:
        # One more than are counted: an interrupt may come when it has just been written.
        yield from (plan_key(job, run.number, version) for version in range(run.plans + 1))
        yield from (done_key(job, run.number, task) for task in range(run.tasks))
        yield from (failed_key(*attempt) for attempt in run.started)
        yield from (started_key(*attempt) for attempt in run.started if run.remote)
        yield from (key for attempt in run.started if (key := out_key(*attempt)) not in kept)


def _summary(run: RoundRun) -> Round:
    metrics = [commit.metrics for commit in run.commits.values()]
    requests: Counter[str] = Counter()
    for one in metrics:
        requests.update(one["requests"])
    return Round(
        number=run.number,
        kind=run.kind,
        tasks=run.tasks,
        attempts=len(run.started),
        seconds=run.seconds,
        records_in=sum(one["records_in"] for one in metrics),
        bytes_in=sum(one["bytes_in"] for one in metrics),
        records_out=sum(one["records_out"] for one in metrics),
        bytes_out=sum(one["bytes_out"] for one in metrics),
        spilled=sum(one["spilled"] for one in metrics),
        task_seconds=sum(one["seconds"] for one in metrics),
        shuffle_seconds=sum(one["shuffle_seconds"] for one in metrics),
        peak_memory=max(one["peak_memory"] for one in metrics),
        requests=dict(requests),
    )
