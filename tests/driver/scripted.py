"""A round whose attempts do what a script says."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from driver.events import Event
from driver.executors import Executor
from driver.executors.base import Ended
from driver.round import Repair, RoundRun
from mapreduce.objectstore import MemoryStore
from mapreduce.seal import Seal
from shuffle import AttemptId, Piece, Receipt
from worker.layout import done_key, failed_key
from worker.payload import Payload, Range

_names = itertools.count()
JOB = "job"

#: What an attempt does: "" commits, else it fails for that reason; a dict fails and says more in its record.
Act = str | dict[str, Any]
Script = Callable[[AttemptId], Act]


def receipt(task: int, attempt: int, partitions: int = 2) -> Receipt:
    """What a map attempt wrote: one block for each partition."""
    return Receipt({number: Piece(task, attempt, f"{task}.{attempt}", number, 1, 1, 1) for number in range(partitions)})


class Scripted(Executor):
    """Ends an attempt at each step, as `script` says."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.store = MemoryStore(f"scripted-{next(_names)}")
        self.seal = Seal.fresh()
        self.payloads: list[Payload] = []
        self._waiting: deque[tuple[Payload, Ended]] = deque()

    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        for payload in payloads:
            self.payloads.append(payload)
            self._waiting.append((payload, ended))

    def step(self, job: str) -> bool:
        if not self._waiting:
            return False
        payload, ended = self._waiting.popleft()
        act = self.script(payload.attempt)
        if act == "":
            self.commit(payload.attempt)
        elif isinstance(act, dict):
            self._fail(payload.attempt, act)
        ended(payload.attempt, act if isinstance(act, str) else "")
        return True

    def cancel(self, job: str) -> None:
        self._waiting.clear()

    def close(self) -> None:
        self.closed = True

    def commit(self, attempt: AttemptId) -> None:
        """Write the commit record of an attempt, unless there is one."""
        key = done_key(*attempt[:3])
        record = {
            "task": attempt.task,
            "attempt": attempt.attempt,
            "receipt": receipt(attempt.task, attempt.attempt).to_json(),
            "part": None,
            "counters": {},
            "metrics": {"seconds": 0.5},
        }
        self.store.put_if_absent(key, self.seal.wrap(key, json.dumps(record).encode()))

    def _fail(self, attempt: AttemptId, fields: dict[str, Any]) -> None:
        key = failed_key(*attempt)
        blank = dict.fromkeys(("kind", "reason", "where", "traceback", "record", "source"), "")
        record = {**blank, "lost": [], **fields}
        self.store.put(key, self.seal.wrap(key, json.dumps(record).encode()))

    def round(
        self,
        *,
        tasks: int = 3,
        number: int = 0,
        retries: int = 2,
        notify: Callable[[Event], None] = lambda event: None,
        repair: Repair | None = None,
        rows: Sequence[Any] | None = None,
        earlier: int = 0,
    ) -> RoundRun:
        """A round on this executor."""
        kind: Literal["map", "reduce"] = "reduce" if repair else "map"

        def payload(attempt: AttemptId, row: Range) -> Payload:
            return Payload(
                attempt=attempt,
                kind=kind,
                secret="",
                storage="",
                shuffle="",
                output="",
                partitions=2,
                code="",
                bundle="",
                files={},
                row=row,
                memory=0,
            )

        return RoundRun(
            job=JOB,
            number=number,
            kind=kind,
            rows=[[task] for task in range(tasks)] if rows is None else rows,
            payload=payload,
            repair=repair,
            storage=self.store,
            seal=self.seal,
            executor=self,
            retries=retries,
            notify=notify,
            earlier=earlier,
        )

    def row(self, payload: Payload) -> Any:
        """What the task of a payload was given to read."""
        data = self.store.get(*payload.row)
        return json.loads(self.seal.unwrap(f"{payload.row.key}/{payload.attempt.task}", data))
