"""The attempts that an executor on AWS Lambda has under way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from driver.executors.base import Ended
from shuffle.base import AttemptId
from worker.payload import Payload


@dataclass
class Flight:
    """An attempt under way.

    Attributes:
        payload: of the attempt.
        ended: takes its end.
        sent: when the service had taken note of it, where only keys can tell its end; else None.
        seen: when its start key was seen first; None before.
    """

    payload: Payload
    ended: Ended
    sent: float | None = None
    seen: float | None = None


class Flights:
    """What waits, and what is under way, up to a limit; safe between threads.

    Args:
        limit: how many may be under way at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.closed = False
        self._changed = threading.Condition()
        self._waiting: deque[Flight] = deque()
        self._flying: dict[AttemptId, Flight] = {}
        self._cancelled: set[str] = set()

    def add(self, flights: Iterable[Flight]) -> int:
        """Let these wait; returns how many do then."""
        with self._changed:
            if not self.closed:
                self._waiting.extend(flights)
            self._changed.notify_all()
            return len(self._waiting)

    def take(self, many: int = 1, crowd: int = 1) -> list[Flight]:
        """The next one, under way from now on, as soon as one may be; none when all is over.

        Args:
            many: how many to take at once, at most, while a crowd waits.
            crowd: how many that is.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.closed or (self._waiting and len(self._flying) < self.limit))
            taken: list[Flight] = []
            room = min(len(self._waiting), self.limit - len(self._flying))
            most = many if room >= crowd else 1
            while not self.closed and self._waiting and len(taken) < most and len(self._flying) < self.limit:
                flight = self._waiting.popleft()
                self._flying[flight.payload.attempt] = flight
                taken.append(flight)
            return taken

    def land(self, attempt: AttemptId, how: str) -> None:
        """Report the end of an attempt, unless it has landed before, or nobody wants to know."""
        with self._changed:
            flight = self._flying.pop(attempt, None)
            # Under the lock: once `cancel` has returned, nothing of its job may be reported.
            if flight is not None and not self.closed and attempt.job not in self._cancelled:
                flight.ended(attempt, how)
            self._changed.notify_all()

    def drop(self, attempts: Iterable[AttemptId]) -> None:
        """Forget attempts that are known to have ended."""
        with self._changed:
            for attempt in attempts:
                self._flying.pop(attempt, None)
            self._changed.notify_all()

    def sent(self) -> list[Flight]:
        """Those of which only keys can tell the end."""
        with self._changed:
            return [flight for flight in self._flying.values() if flight.sent is not None]

    def of(self, job: str) -> list[Flight]:
        """Those of a job."""
        with self._changed:
            return [flight for attempt, flight in self._flying.items() if attempt.job == job]

    def jobs(self) -> set[str]:
        """The jobs that have any under way."""
        with self._changed:
            return {attempt.job for attempt in self._flying}

    def cancel(self, job: str) -> Sequence[Flight]:
        """Start and report nothing more of a job; returns what of it is under way."""
        with self._changed:
            self._cancelled.add(job)
            self._waiting = deque(flight for flight in self._waiting if flight.payload.attempt.job != job)
            return [flight for attempt, flight in self._flying.items() if attempt.job == job]

    def forget(self, job: str) -> None:
        """Let a cancelled job be started again."""
        with self._changed:
            self._flying = {attempt: flight for attempt, flight in self._flying.items() if attempt.job != job}
            self._cancelled.discard(job)
            self._changed.notify_all()

    def is_wanted(self, job: str) -> bool:
        """Whether attempts of a job are still to be started."""
        with self._changed:
            return not self.closed and job not in self._cancelled

    def close(self) -> None:
        """Start and report nothing more."""
        with self._changed:
            self.closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition on what is under way holds, or all is over, or so much time has passed."""
        with self._changed:
            return self._changed.wait_for(lambda: self.closed or condition(), seconds)
