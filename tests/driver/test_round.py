"""A round runs every task until it has committed once, or gives up with all that is known."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from driver.events import AttemptFailed, Event, RoundEnded, RoundStarted, TaskEnded
from driver.plan import piece_rows
from driver.round import RoundRun
from mapreduce import AuthenticationError, JobError, TaskError
from shuffle import AttemptId
from tests.driver.scripted import JOB, Act, Scripted
from worker.layout import done_key, plan_key


def test_every_task_once() -> None:
    """Without faults each task has one attempt, and its own row of the plan."""
    executor = Scripted(lambda attempt: "")
    run = executor.round(tasks=5, rows=[{"task": task} for task in range(5)])
    commits = run.run()
    assert [commit.task for commit in commits] == list(range(5))
    assert run.started == [AttemptId(JOB, 0, task, 0) for task in range(5)]
    assert [executor.row(payload) for payload in executor.payloads] == [{"task": task} for task in range(5)]


def test_retries_are_numbered() -> None:
    """A task that fails is tried again, under the next number; others are not."""
    executor = Scripted(lambda attempt: "it died" if attempt.task == 1 and attempt.attempt < 2 else "")
    run = executor.round(retries=2)
    assert [commit.attempt for commit in run.run()] == [0, 2, 0]
    assert sorted((one.task, one.attempt) for one in run.started) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_bounded(retries: int) -> None:
    """A task that always fails is tried once more than the retries, then ends the round."""
    executor = Scripted(lambda attempt: "it died" if attempt.task == 1 else "")
    run = executor.round(retries=retries)
    with pytest.raises(TaskError) as caught:
        run.run()
    assert Counter(one.task for one in run.started)[1] == retries + 1
    assert caught.value.attempt == retries


def test_retries_are_per_task() -> None:
    """Failures of one task do not use up the retries of another."""
    executor = Scripted(lambda attempt: "it died" if attempt.attempt == 0 else "")
    assert [commit.attempt for commit in executor.round(tasks=10, retries=1).run()] == [1] * 10


@pytest.mark.parametrize("told", [True, False], ids=["written down", "reported"])
def test_unreachable_stores(*, told: bool) -> None:
    """An attempt whose store could not be reached does not count as a failure of its task, up to a number of times."""
    lost: Act = {"kind": "UnreachableStore", "reason": "no answer"} if told else "error: UnreachableStore: no answer"
    executor = Scripted(lambda attempt: lost if attempt.attempt < 10 else "")
    assert [commit.attempt for commit in executor.round(retries=0).run()] == [10] * 3
    executor = Scripted(lambda attempt: lost)
    run = executor.round(tasks=1, retries=1)
    with pytest.raises(TaskError, match="UnreachableStore: no answer"):
        run.run()
    assert len(run.started) == 12


def test_takes_over() -> None:
    """A round that another driver has begun runs what is not committed, under numbers and a plan of its own."""
    executor = Scripted(lambda attempt: "")
    executor.store.put(plan_key(JOB, 0, 0), b"of the first driver")
    executor.store.put(plan_key(JOB, 0, 1), b"of the first driver")
    executor.commit(AttemptId(JOB, 0, 1, 2))
    run = executor.round(tasks=3, rows=["a", "b", "c"], earlier=1)
    assert [commit.attempt for commit in run.run()] == [1000, 2, 1000]
    assert [executor.row(payload) for payload in executor.payloads] == ["a", "c"]
    assert {payload.row.key for payload in executor.payloads} == {plan_key(JOB, 0, 2)}


def test_takes_over_what_is_done() -> None:
    """A round that another driver has ended starts nothing, and writes nothing."""
    executor = Scripted(lambda attempt: "")
    for task in range(3):
        executor.commit(AttemptId(JOB, 0, task, 0))
    before = executor.store.requests.snapshot()["put"]
    run = executor.round(tasks=3, earlier=2)
    assert [commit.attempt for commit in run.run()] == [0, 0, 0]
    assert (run.started, executor.store.requests.snapshot()["put"]) == ([], before)
    # Its tasks can run again all the same, when their data turns out to be lost.
    assert [commit.attempt for commit in run.again([1])] == [0, 2000, 0]


def test_task_error() -> None:
    """The error has every field that the failed attempt wrote down."""
    fields = {
        "kind": "my_job.Bad",
        "reason": "no good",
        "where": "my_job.py:3, in map",
        "traceback": "Traceback ...",
        "record": "'a line'",
        "source": "/in/a.txt",
    }
    executor = Scripted(lambda attempt: fields if attempt.task == 2 else "")
    with pytest.raises(TaskError) as caught:
        executor.round(number=4, retries=1).run()
    error = caught.value
    assert {name: getattr(error, name) for name in fields} == fields
    assert (error.job, error.round, error.task, error.attempt) == (JOB, 4, 2, 1)
    assert str(error) == (
        "map task 2 of round 4 (job job, attempt 1) failed: my_job.Bad: no good (my_job.py:3, in map); at 'a line';"
        " in /in/a.txt"
    )


def test_lost_worker() -> None:
    """Where nothing was written down, the error tells how the worker ended; also of one that said nothing at all."""
    with pytest.raises(TaskError, match=r"failed: its worker was killed by SIGKILL$"):
        Scripted(lambda attempt: "its worker was killed by SIGKILL").round(retries=0).run()

    class Silent(Scripted):
        def commit(self, attempt: AttemptId) -> None:
            """Forget to."""

    with pytest.raises(TaskError, match="left neither a commit record nor a reason"):
        Silent(lambda attempt: "").round(retries=0).run()


def test_committed_then_died() -> None:
    """An attempt that has committed has succeeded, however its worker ended."""

    def script(attempt: AttemptId) -> Act:
        executor.commit(attempt)
        return "its worker was killed by SIGKILL"

    executor = Scripted(script)
    run = executor.round(retries=0)
    assert len(run.run()) == len(run.started) == 3


def test_forged_commit() -> None:
    """A commit record that does not carry the job's tag ends the job; it is no result."""
    executor = Scripted(lambda attempt: "")
    executor.store.put(done_key(JOB, 0, 1), b'{"task": 1}')
    with pytest.raises(AuthenticationError):
        executor.round().run()


def test_events() -> None:
    """Events tell of the start, of each commit and failure, and of the end, in this order."""
    executor = Scripted(lambda attempt: {"kind": "KeyError", "reason": "'a'"} if attempt == (JOB, 0, 0, 0) else "")
    events: list[Event] = []
    executor.round(tasks=2, notify=events.append).run()
    assert events[0] == RoundStarted(job=JOB, round=0, kind="map", tasks=2)
    assert isinstance(events[-1], RoundEnded)
    assert [event for event in events if isinstance(event, AttemptFailed)] == [
        AttemptFailed(job=JOB, round=0, task=0, attempt=0, reason="KeyError: 'a'", retried=True)
    ]
    ended = [event for event in events if isinstance(event, TaskEnded)]
    assert {(event.task, event.attempt) for event in ended} == {(0, 1), (1, 0)}
    assert [(event.done, event.tasks) for event in ended] == [(1, 2), (2, 2)]


def test_closed_driver() -> None:
    """A round whose executor is closed ends with an error, and does not wait for ever."""

    def script(attempt: AttemptId) -> Act:
        executor.close()
        return ""

    executor = Scripted(script)
    with pytest.raises(JobError, match="its driver was closed"):
        executor.round().run()


class Repaired:
    """A reduce round over a map round, whose data is lost as the script says."""

    def __init__(self, lost: Any, *, reducers: int = 3, retries: int = 2) -> None:
        self.executor = Scripted(self._act)
        self._lost = lost
        self.maps = self.executor.round(tasks=4, retries=retries)
        self.repairs: list[tuple[int, ...]] = []
        rows = piece_rows(self.maps.run(), 2)
        self.reduces: RoundRun = self.executor.round(
            tasks=reducers, number=1, retries=retries, rows=[rows[0]] * reducers, repair=self._repair
        )

    def _repair(self, lost: tuple[int, ...]) -> list[Any]:
        self.repairs.append(lost)
        return [piece_rows(self.maps.again(sorted(lost)), 2)[0]] * self.reduces.tasks

    def _act(self, attempt: AttemptId) -> Act:
        if attempt.round == 0:
            return ""
        [row] = [self.executor.row(payload) for payload in self.executor.payloads if payload.attempt == attempt]
        # The first piece whose map attempt the script calls lost, as a reader meets it.
        for task, number, *_ in row:
            if self._lost(task, number):
                return {"kind": "LostBlocks", "reason": f"of map task {task}", "lost": [task]}
        return ""


def test_repair_runs_the_map_task_once() -> None:
    """Several reducers miss one map task's data: it runs again once, and all of them read what it wrote then."""
    case = Repaired(lambda task, attempt: task == 2 and attempt == 0, reducers=5, retries=1)
    commits = case.reduces.run()
    assert case.repairs == [(2,)]
    assert [one.attempt for one in case.maps.started if one.task == 2] == [0, 1]
    assert [case.maps.commits[task].attempt for task in range(4)] == [0, 0, 1, 0]
    assert [commit.attempt for commit in commits] == [1] * 5


def test_repair_of_many() -> None:
    """The data of more map tasks than a task has retries can be lost: each loss counts against its own task."""
    case = Repaired(lambda task, attempt: attempt == 0, reducers=2, retries=1)
    case.reduces.run()
    assert case.repairs == [(0,), (1,), (2,), (3,)]
    assert len(case.maps.started) == 8


def test_repair_is_bounded() -> None:
    """Data that is lost again and again ends the job with an error about the map task."""
    case = Repaired(lambda task, attempt: task == 2, retries=2)
    with pytest.raises(TaskError, match=r"^map task 2 of round 0 .* LostBlocks: what it wrote to the shuffle was lost"):
        case.reduces.run()
    assert [one.attempt for one in case.maps.started if one.task == 2] == [0, 1, 2]


def test_late_report_of_an_old_attempt() -> None:
    """The end of an attempt that had committed, reported after its data was lost, is no failure of the new one."""

    class Late(Scripted):
        late = False

        def step(self, job: str) -> bool:
            if self.late:  # the old report comes before the new attempt has done anything
                self.late = False
                run._ended.put((AttemptId(JOB, 0, 1, 0), "its worker was killed"))
                return False
            return super().step(job)

    executor = Late(lambda attempt: "")
    run = executor.round(tasks=2, retries=1)
    run.run()
    executor.late = True
    assert [commit.attempt for commit in run.again([1])] == [0, 1]
    assert len(run.started) == 3
