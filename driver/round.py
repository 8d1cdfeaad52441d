"""One round: its attempts, retries and barrier."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from driver.barrier import Barrier
from driver.commits import Commit, Failure, read_commit, read_failure
from driver.events import AttemptFailed, Callback, RoundEnded, RoundStarted, TaskEnded, Warned
from driver.executors import Executor
from driver.plan import write_plan
from mapreduce.errors import JobError, TaskError
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from shuffle.base import AttemptId
from worker.layout import done_key, plan_key, plan_prefix
from worker.payload import Kind, Payload, Range

#: Attempts of one task that one driver starts, at most; those of the next one have higher numbers.
ATTEMPTS = 1000
#: Makes the payload of an attempt whose task reads the given range of the plan.
MakePayload = Callable[[AttemptId, Range], Payload]
#: Runs map tasks again whose shuffle data was lost, and gives the rows of a round that reads it.
Repair = Callable[[tuple[int, ...]], Sequence[Any]]

# Attempts of a task that may find a store unreachable, beside those that may fail.
_EXCUSES = 10


class RoundRun:
    """Runs tasks until each has been committed once.

    Args:
        job: id of the job.
        number: of the round.
        kind: what its tasks do.
        rows: what each task reads, as JSON.
        payload: makes payloads.
        repair: what to do when a task finds data of the round before lost; None where there is none.
        storage: the object store of control keys.
        seal: of the job.
        executor: starts the attempts.
        retries: how many times a task that failed is tried again.
        notify: takes the events.
        halfway: is called once, when half of the tasks are done.
        beat: is called now and then while tasks run; what it raises ends the round.
        earlier: how many drivers have run the round before: what they committed is taken over, and
            attempts get numbers that none of theirs has.
    """

    def __init__(
        self,
        *,
        job: str,
        number: int,
        kind: Kind,
        rows: Sequence[Any],
        payload: MakePayload,
        repair: Repair | None,
        storage: ObjectStore,
        seal: Seal,
        executor: Executor,
        retries: int,
        notify: Callback,
        halfway: Callable[[], None] | None = None,
        beat: Callable[[], None] = lambda: None,
        earlier: int = 0,
    ) -> None:
        self.number = number
        self.kind = kind
        self.commits: dict[int, Commit] = {}
        self.withdrawn: list[Commit] = []  # those of which data was lost
        self.started: list[AttemptId] = []
        self.plans = 0
        self.seconds = 0.0
        self._job = job
        self._rows = rows
        self._payload = payload
        self._repair = repair
        self._storage = storage
        self._seal = seal
        self._executor = executor
        self._retries = retries
        self._notify = notify
        self._halfway = halfway
        self._beat = beat
        self._first = earlier * ATTEMPTS
        self._attempts: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._excused: Counter[int] = Counter()
        self._ranges: list[Range] = []
        self._plan_of: dict[AttemptId, int] = {}
        self._running: set[AttemptId] = set()
        self._ended: queue.SimpleQueue[tuple[AttemptId, str]] = queue.SimpleQueue()

    @property
    def remote(self) -> bool:
        """Whether attempts ran elsewhere, and so have start keys."""
        return self._executor.remote

    @property
    def tasks(self) -> int:
        """How many tasks the round has."""
        return len(self._rows)

    def run(self) -> list[Commit]:
        """Run all tasks; returns their commits in the order of the tasks.

        Raises:
            TaskError: a task failed more often than it may.
        """
        self._notify(RoundStarted(job=self._job, round=self.number, kind=self.kind, tasks=self.tasks))
        if self._first:
            self._take_over()
        return self._complete([task for task in range(self.tasks) if task not in self.commits])

    def _take_over(self) -> None:
        """Read what attempts of earlier drivers have committed."""
        prefix = plan_prefix(self._job, self.number)
        self.plans = max((int(found.key[len(prefix) :]) + 1 for found in self._storage.list(prefix)), default=0)
        for task in sorted(Barrier(self._storage, self._job, self.number).look()):
            self._commit(task)

    def again(self, tasks: Sequence[int]) -> list[Commit]:
        """Take back the commits of `tasks`, whose data was lost, and run these tasks anew.

        Raises:
            TaskError: a task's data was lost more often than a task may fail.
        """
        for task in tasks:
            self._failures[task] += 1
            if self._failures[task] > self._retries:
                attempt = AttemptId(self._job, self.number, task, self.commits[task].attempt)
                raise self._error(attempt, Failure(kind="LostBlocks", reason="what it wrote to the shuffle was lost"))
        self._storage.delete([done_key(self._job, self.number, task) for task in tasks])
        self.withdrawn += [self.commits.pop(task) for task in tasks]
        return self._complete(tasks)

    def _write(self, rows: Sequence[Any]) -> None:
        self._ranges = write_plan(self._storage, self._seal, plan_key(self._job, self.number, self.plans), rows)
        self.plans += 1

    def _complete(self, tasks: Sequence[int]) -> list[Commit]:
        began = time.monotonic()
        barrier = Barrier(self._storage, self._job, self.number)
        self._start(tasks)
        while len(self.commits) < self.tasks:
            ended = self._wait(barrier)
            self._beat()
            found = sorted(barrier.look() - self.commits.keys())
            for task in found:
                self._commit(task)
            self._settle(found)
            if self._halfway is not None and len(self.commits) >= self.tasks // 2:
                self._halfway()
                self._halfway = None
            for attempt, how in ended:
                # An older attempt is one that had committed, and whose end is reported late.
                newest = attempt.attempt == self._first + self._attempts[attempt.task] - 1
                if newest and attempt.task not in self.commits:
                    self._failed(attempt, how)
        self.seconds += time.monotonic() - began
        self._notify(RoundEnded(job=self._job, round=self.number, seconds=self.seconds))
        return [self.commits[task] for task in range(self.tasks)]

    def _start(self, tasks: Sequence[int]) -> None:
        if tasks and not self._ranges:
            self._write(self._rows)
        payloads = []
        for task in tasks:
            attempt = AttemptId(self._job, self.number, task, self._first + self._attempts[task])
            self._attempts[task] += 1
            self.started.append(attempt)
            self._running.add(attempt)
            self._plan_of[attempt] = self.plans
            payloads.append(self._payload(attempt, self._ranges[task]))
        self._executor.start(payloads, lambda attempt, how: self._ended.put((attempt, how)))

    def _wait(self, barrier: Barrier) -> list[tuple[AttemptId, str]]:
        """Attempts that ended: at least one, or none for a while; then as many as end before it is time to look.

        While others run, waiting a little saves listings; when all have ended there is nothing to wait for.
        """
        ended: list[tuple[AttemptId, str]] = []
        patience = max(self._executor.poll, barrier.wait())
        while self._running and patience:
            stepped = self._executor.step(self._job)
            try:
                ended.append(self._ended.get(block=not stepped, timeout=patience))
            except queue.Empty:
                break
            self._running.discard(ended[-1][0])
            patience = barrier.wait()
        for text in self._executor.notices():
            self._notify(Warned(job=self._job, text=text))
        if self._executor.closed:
            raise JobError(f"job {self._job} has ended without a result: its driver was closed")
        return ended

    def _settle(self, tasks: Sequence[int]) -> None:
        """Wait no more for attempts of tasks that are done."""
        attempts = [
            AttemptId(self._job, self.number, task, self._first + attempt)
            for task in tasks
            for attempt in range(self._attempts[task])
        ]
        self._running.difference_update(attempts)
        self._executor.settled(attempts)

    def _commit(self, task: int) -> None:
        commit = read_commit(self._storage, self._seal, self._job, self.number, task)
        self.commits[task] = commit
        self._notify(
            TaskEnded(
                job=self._job,
                round=self.number,
                task=task,
                attempt=commit.attempt,
                done=len(self.commits),
                tasks=self.tasks,
                seconds=commit.metrics["seconds"],
            )
        )

    def _failed(self, attempt: AttemptId, how: str) -> None:
        """Try the attempt's task again, or give up the job."""
        failure = read_failure(self._storage, self._seal, attempt, how)
        repairable = self._repair is not None and bool(failure.lost)
        # Data that is lost counts against the task that wrote it: see `again`. A store that could not be
        # reached is nobody's fault; that the failure could be read tells that it can be reached now.
        excused = "UnreachableStore" in (failure.kind or how) and self._excused[attempt.task] < _EXCUSES
        self._excused[attempt.task] += excused
        self._failures[attempt.task] += not (repairable or excused)
        retried = self._failures[attempt.task] <= self._retries
        self._notify(
            AttemptFailed(
                job=self._job,
                round=self.number,
                task=attempt.task,
                attempt=attempt.attempt,
                reason=f"{failure.kind}: {failure.reason}" if failure.kind else failure.reason,
                retried=retried,
                where=failure.where,
                traceback=failure.traceback,
                record=failure.record,
                source=failure.source,
            )
        )
        if not retried:
            raise self._error(attempt, failure)
        # Only the first attempt that misses data of this plan has it made anew; the others find it made.
        if self._repair is not None and failure.lost and self._plan_of[attempt] == self.plans:
            self._write(self._repair(failure.lost))
        self._start([attempt.task])

    def _error(self, attempt: AttemptId, failure: Failure) -> TaskError:
        return TaskError(
            job=self._job,
            round=self.number,
            task=attempt.task,
            attempt=attempt.attempt,
            kind=failure.kind,
            reason=failure.reason,
            where=failure.where,
            traceback=failure.traceback,
            record=failure.record,
            source=failure.source,
            role=f"{self.kind} task",
        )
