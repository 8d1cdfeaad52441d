"""One attempt, from its payload to its commit: the function that every executor calls, Lambda's too.

An attempt writes under names of its own. It commits by creating its task's commit record, which
exactly one attempt can; the others remove what they wrote. Whatever goes wrong is written down too.
"""

from __future__ import annotations

import json
import operator
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from mapreduce.errors import LostBlocks
from mapreduce.objectstore import Access, ObjectStore, open_store
from mapreduce.seal import Seal
from mapreduce.stages import Task
from shuffle.base import Receipt
from worker.budget import Budget, peak_bytes
from worker.code import load_stages, side_files
from worker.context import Context
from worker.layout import done_key, failed_key
from worker.map_task import run_map
from worker.output import Part
from worker.payload import Payload
from worker.reduce_task import run_reduce

Outcome = Literal["committed", "superseded", "failed"]

# Characters that are kept of a traceback, whose end tells most, and of a message.
_TRACEBACK = 20_000
_REASON = 5_000


class TimedOut(BaseException):
    """An attempt has taken all the time that it may; raised wherever it is then, so no `Exception` to be caught."""


def run_attempt(payload: Payload, *, own_process: bool = True) -> Outcome:
    """Run one attempt of a task.

    Args:
        payload: all that the attempt is told.
        own_process: whether the process is there for tasks alone, so that all its memory counts
            against the budget, and user code that calls `sys.exit` ends just its attempt.

    Returns:
        "committed" if this attempt is the task's; "superseded" if another one was before it;
        "failed" if it wrote down why it failed.

    Raises:
        StoreError: not even that could be written.
    """
    access = Access(**payload.access)
    storage = open_store(payload.storage, access=access)
    seal = Seal(bytes.fromhex(payload.secret))
    context = None
    started = time.time()
    try:
        context = _open(payload, storage, access, seal, own_process=own_process)
        receipt, part = run_map(context) if payload.kind == "map" else (None, run_reduce(context))
        record = json.dumps(_record(context, receipt, part, started)).encode()
    except (Exception, SystemExit, TimedOut) as error:
        _tell_failure(payload, storage, context, error)
        return "failed"
    job, round_number, task, _ = payload.attempt
    key = done_key(job, round_number, task)
    if storage.put_if_absent(key, seal.wrap(key, record)):
        return "committed"
    winner = json.loads(seal.unwrap(key, storage.get(key)))["attempt"]
    if winner == payload.attempt.attempt:
        # This very attempt was started twice, or the store repeated its request: what lies there counts.
        return "committed"
    _undo(context, receipt, part)
    return "superseded"


def _open(payload: Payload, storage: ObjectStore, access: Access, seal: Seal, *, own_process: bool) -> Context:
    job, round_number, task, attempt = payload.attempt
    budget = Budget(payload.memory, own_process=own_process)
    stages = load_stages(payload, storage, seal)
    key, start, end = payload.row
    row = json.loads(seal.unwrap(f"{key}/{task}", storage.get(key, start, end)))
    files = side_files(payload, storage)
    return Context(
        payload=payload,
        row=row,
        storage=storage,
        access=access,
        seal=seal,
        stages=stages,
        task=Task(job, round_number, task, attempt, files),
        budget=budget,
        stores=[storage],
    )


def _record(context: Context, receipt: Receipt | None, part: Part | None, started: float) -> dict[str, Any]:
    """The commit record, as JSON."""
    requests: Counter[str] = Counter()
    for store in context.stores:
        requests.update(store.requests.snapshot())
    written = receipt.records if receipt is not None else part.records if part is not None else 0
    size = receipt.size if receipt is not None else part.size if part is not None else 0
    return {
        "task": context.payload.attempt.task,
        "attempt": context.payload.attempt.attempt,
        "receipt": receipt.to_json() if receipt is not None else None,
        "part": part,
        "counters": _counters(context.task),
        "metrics": {
            **context.measured,
            "records_out": written,
            "bytes_out": size,
            "spilled": context.budget.spilled,
            "started": started,
            "seconds": time.time() - started,
            "peak_memory": peak_bytes(),
            "requests": requests,
        },
    }


def _counters(task: Task) -> dict[str, int]:
    """The task's counters as plain ints.

    Raises:
        TypeError: one of them has been given something else; the message names it.
    """
    counters = {}
    for name, value in task.counters.items():
        try:
            counters[str(name)] = operator.index(value)
        except TypeError:
            raise TypeError(f"the counter {name!r} came to {value!r}: counters take ints") from None
    return counters


def _undo(context: Context, receipt: Receipt | None, part: Part | None) -> None:
    """Remove what an attempt wrote that another one has overtaken."""
    if receipt is not None:
        context.shuffle().discard([receipt])
    if part is not None and part.key:
        output = context.payload.output
        store = open_store(output, "output", context.access) if output else context.storage
        store.delete([part.key])


def _tell_failure(payload: Payload, storage: ObjectStore, context: Context | None, error: BaseException) -> None:
    import traceback

    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ in ("builtins", "mapreduce.errors")
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    put_failure(
        payload,
        storage,
        kind="out of memory" if isinstance(error, MemoryError) else "timed out" if kind is TimedOut else name,
        reason=_reason(error),
        where=_where(error),
        traceback="".join(traceback.format_exception(error))[-_TRACEBACK:],
        record=context.record() if context is not None else "",
        source=context.task.source if context is not None else "",
        lost=error.tasks if isinstance(error, LostBlocks) else (),
    )


def put_failure(
    payload: Payload,
    storage: ObjectStore,
    *,
    kind: str,
    reason: str,
    where: str = "",
    traceback: str = "",
    record: str = "",
    source: str = "",
    lost: Sequence[int] = (),
) -> None:
    """Write down why an attempt failed; see `driver.commits.Failure`.

    Raises:
        StoreError: it could not be written.
    """
    failure = {
        "kind": kind,
        "reason": reason,
        "where": where,
        "traceback": traceback,
        "record": record,
        "source": source,
        "lost": lost,
    }
    key = failed_key(*payload.attempt)
    seal = Seal(bytes.fromhex(payload.secret))
    storage.put(key, seal.wrap(key, json.dumps(failure).encode()))


def _reason(error: BaseException) -> str:
    """The error's message, cut to a length that a person may read."""
    try:
        return str(error)[:_REASON]
    except Exception as broken:
        return f"its message cannot be shown: {type(broken).__name__}"


def _where(error: BaseException) -> str:
    """File, line and function in which the error arose."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, TimedOut):
        frames.pop()  # the alarm's own
    return f"{frames[-1].filename}:{frames[-1].lineno}, in {frames[-1].name}" if frames else ""
