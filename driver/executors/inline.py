"""Attempts one after the other in the driver's own process and thread: for debuggers, and the oracle."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

from driver.executors.base import Ended, Executor
from worker.attempt import run_attempt
from worker.payload import Payload


class InlineExecutor(Executor):
    """Runs an attempt each time that the driver waits."""

    in_process = True

    def __init__(self, workers: int = 1, timeout: float | None = None) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[tuple[Payload, Ended]]] = {}

    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        with self._lock:
            for payload in payloads:
                self._waiting.setdefault(payload.attempt.job, deque()).append((payload, ended))

    def step(self, job: str) -> bool:
        with self._lock:
            waiting = self._waiting.get(job)
            if not waiting:
                return False
            payload, ended = waiting.popleft()
        try:
            run_attempt(payload, own_process=False)
            how = ""
        except Exception as error:
            how = f"{type(error).__name__}: {error}"
        ended(payload.attempt, how)
        return True

    def cancel(self, job: str) -> None:
        with self._lock:
            self._waiting.pop(job, None)

    def close(self) -> None:
        with self._lock:
            self.closed = True
            self._waiting.clear()
