"""What every executor must do: a subclass gives one fixture, and inherits the tests."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from driver.executors import Executor
from mapreduce import Mapper
from shuffle import AttemptId
from tests.worker.build import Laid
from worker.layout import done_prefix
from worker.payload import Payload

#: Seconds after which a test gives up waiting.
PATIENCE = 30.0

#: Makes an executor of so many workers, with a time limit for attempts; it is closed at the end.
MakeExecutor = Callable[..., Executor]


class Do(Mapper):
    """Does to records what it is told to, and yields what comes of it."""

    def __init__(self, do: Callable[[Any], Any]) -> None:
        self.do = do

    def map(self, record: Any) -> Iterator[tuple[Any, Any]]:
        yield record, self.do(record)


class Reports:
    """Takes what an executor reports; of a remote one's jobs it finds the commits, as a round does."""

    def __init__(self, executor: Executor) -> None:
        self.ended: list[tuple[AttemptId, str]] = []
        self._executor = executor
        self._settled: set[AttemptId] = set()
        self._changed = threading.Condition()

    def __call__(self, attempt: AttemptId, how: str) -> None:
        with self._changed:
            if attempt not in self._settled:
                self.ended.append((attempt, how))
            self._changed.notify_all()

    def wait(self, count: int, *jobs: Laid) -> dict[int, str]:
        """How each task's attempt ended, once `count` have."""
        for job in jobs:
            while self._executor.step(job.name):
                continue
        deadline = time.monotonic() + PATIENCE
        while not self._is_over(count):
            assert time.monotonic() < deadline, self.ended
            if self._executor.remote:
                self._settle(jobs)
        with self._changed:
            assert len(self.ended) == count
            return {attempt.task: how for attempt, how in self.ended}

    def _is_over(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.ended) >= count, 0.1)

    def _settle(self, jobs: Sequence[Laid]) -> None:
        """Take attempts whose tasks are done for ended."""
        for job in jobs:
            prefix = done_prefix(job.name, 0)
            done = {AttemptId(job.name, 0, int(name[len(prefix) :]), 0) for name in job.names(prefix)}
            with self._changed:
                done -= {attempt for attempt, _ in self.ended}
                self._settled |= done
                self.ended += [(attempt, "") for attempt in sorted(done)]
            self._executor.settled(done)


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Wait until `condition` holds; returns what it gave."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what or "waited too long"
        pause.wait(0.005)
    return found


def laid(where: Path | str, records: Sequence[Any], do: Callable[[Any], Any], **fields: Any) -> Laid:
    """A job with a map task for each record; it is laid out below a folder, or at a URL."""
    storage = str(where / "storage") if isinstance(where, Path) else where
    return Laid([[record] for record in records], mapper=Do(do), storage=storage, **fields)


def payloads(job: Laid) -> list[Payload]:
    """A first attempt at each task."""
    return [job.payload("map", task) for task in range(job.tasks)]


def run(executor: Executor, job: Laid) -> dict[int, str]:
    """How the attempts of `job` ended."""
    reports = Reports(executor)
    executor.start(payloads(job), reports)
    return reports.wait(job.tasks, job)


class ExecutorContract:
    """The behaviour that rounds rely on."""

    @pytest.fixture
    def make(self) -> Iterator[MakeExecutor]:
        """Makes executors."""
        raise NotImplementedError

    @pytest.fixture
    def where(self, tmp_path: Path) -> Path | str:
        """Where jobs are laid out."""
        return tmp_path

    @pytest.mark.parametrize("workers", [1, 2])
    def test_attempts_run_once(self, make: MakeExecutor, where: Path | str, workers: int) -> None:
        """Each attempt runs, commits and is reported once, however many there are."""
        job = laid(where, range(20), lambda record: record * 2)
        executor = make(workers)
        executor.warm(20)
        assert run(executor, job) == dict.fromkeys(range(20), "")
        assert [job.part(0, task) for task in range(20)] == [[(n, 2 * n)] for n in range(20)]
        assert not executor.step(job.name)
        assert not executor.step("no such job")

    def test_failed_attempts_return(self, make: MakeExecutor, where: Path | str) -> None:
        """User code that raises, or that exits, has its reason written down; the other attempts run."""

        def do(record: int) -> int:
            if record == 3:
                sys.exit("enough")
            return 6 // record

        job = laid(where, [0, 1, 2, 3, 6], do)
        assert run(make(2), job) == dict.fromkeys(range(5), "")
        assert [job.failure(0, task).kind for task in (0, 3)] == ["ZeroDivisionError", "SystemExit"]
        assert [job.part(0, task)[0][1] for task in (1, 2, 4)] == [6, 3, 1]

    def test_attempts_that_cannot_write_are_told(self, make: MakeExecutor, where: Path | str, tmp_path: Path) -> None:
        """An attempt that could not even write down its failure is reported with the reason; the next one runs."""
        job = laid(where, [1, 2], abs)
        (tmp_path / "file").write_text("in the way")
        bad = job.payload("map", 0, storage=(tmp_path / "file").as_uri())
        executor = make(1)
        reports = Reports(executor)
        executor.start([bad, job.payload("map", 1)], reports)
        ended = reports.wait(2, job)
        assert ended[0].startswith("StoreError: cannot write")
        assert ended[1] == ""
        assert job.part(0, 1) == [(2, 2)]

    def test_what_is_printed_is_for_people(
        self, make: MakeExecutor, where: Path | str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """User code may print what it likes: no report is lost or garbled for it."""
        job = laid(where, range(3), lambda record: print("\0\0\0\1printed" * 1000))
        executor = make(2)
        assert run(executor, job) == dict.fromkeys(range(3), "")
        executor.close()
        out, err = capfd.readouterr()
        assert (out + err).count("printed") == 3000

    def test_cancel_what_waits(self, make: MakeExecutor, where: Path | str, tmp_path: Path) -> None:
        """Attempts of a cancelled job are not started and not reported; those of other jobs are."""
        ran = tmp_path / "ran"
        ran.mkdir()

        def touch(record: str) -> None:
            (ran / record).touch()

        gone, other = (laid(where, [f"{name}{n}" for n in range(8)], touch) for name in ("gone", "other"))
        executor = make(1)
        reports = Reports(executor)
        executor.start(payloads(gone), reports)
        executor.start(payloads(other), reports)
        executor.cancel(gone.name)
        before = {path.name for path in ran.glob("gone*")}
        assert len(before) < 8
        reported = len(reports.ended)
        reports.wait(reported + 8, gone, other)
        assert {path.name for path in ran.glob("gone*")} == before
        assert len(list(ran.glob("other*"))) == 8
        for job in (gone.name, gone.name, "never started"):
            executor.cancel(job)

    def test_a_cancelled_job_may_start_again(self, make: MakeExecutor, where: Path | str) -> None:
        """Cancelling forgets the job: attempts that are started afterwards run."""
        job = laid(where, range(3), abs)
        executor = make(2)
        executor.cancel(job.name)
        assert run(executor, job) == dict.fromkeys(range(3), "")

    def test_jobs_share_an_executor(self, make: MakeExecutor, where: Path | str) -> None:
        """Jobs that are started from several threads all have their attempts reported, each to its own."""
        executor = make(2)
        jobs = [laid(where, range(6), abs) for _ in range(4)]
        reports = [Reports(executor) for _ in jobs]
        ends: list[dict[int, str]] = []

        def one(job: Laid, report: Reports) -> None:
            executor.start(payloads(job), report)
            ends.append(report.wait(6, job))

        threads = [threading.Thread(target=one, args=both) for both in zip(jobs, reports, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
        assert ends == [dict.fromkeys(range(6), "")] * 4
        for job, report in zip(jobs, reports, strict=True):
            assert {attempt.job for attempt, _ in report.ended} == {job.name}

    def test_close_ends_all(self, make: MakeExecutor, where: Path | str) -> None:
        """After a close nothing is started or reported; closing may be repeated, and needs no start before it."""
        job = laid(where, range(30), abs)
        executor = make(2)
        reports = Reports(executor)
        executor.start(payloads(job), reports)
        assert not executor.closed
        executor.close()
        assert executor.closed
        counts = Counter(attempt for attempt, _ in reports.ended)
        assert not executor.step(job.name)
        executor.close()
        executor.cancel(job.name)
        assert Counter(attempt for attempt, _ in reports.ended) == counts
        unused = make(2)
        unused.close()
        assert unused.closed
