"""Whatever goes wrong on the way, the result is the same, or there is none and the reason is told."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from driver import Driver
from driver.executors import EXECUTORS
from driver.executors.base import Ended
from driver.executors.local import LocalExecutor
from mapreduce import TaskError
from tests.acceptance.faults import Bench, Total, Words, fail, job
from worker.payload import Payload

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_process_left")]


@pytest.fixture
def bench(text: Path, storage: Path) -> Bench:
    """Runs jobs."""
    return Bench(text, storage)


class DiesAfterCommit(Words):
    """The process of the first task's first attempt is killed when its commit record is there."""

    def __init__(self, storage: Path) -> None:
        super().__init__()
        self.storage = storage

    def setup(self) -> None:
        if self.task.index == 0 and self.task.attempt == 0:
            done = self.storage / "jobs" / self.task.job / "rounds" / "0" / "done" / "00000"
            threading.Thread(target=self._watch, args=(done,), daemon=True).start()

    @staticmethod
    def _watch(done: Path) -> None:
        while not done.exists():
            pass
        os.kill(os.getpid(), signal.SIGKILL)


REASONS = {
    "kill": "its worker was killed by SIGKILL",
    "exit": "its worker exited with status 3",
    "exit well": "its worker exited with status 0",
    "sys.exit": "SystemExit: 0",
    "raise": "ValueError: on purpose",
    "memory": "out of memory",
    "system": "SystemError: from C",
}


@pytest.mark.parametrize("fault", REASONS)
def test_first_attempts_fail(bench: Bench, fault: str) -> None:
    """Tasks of both rounds whose first attempt ends badly are tried again, with the reason told."""
    result = bench.run(job(Words(fault), Total(fault)))
    bench.check(result)
    bench.check_empty()
    assert sorted((one.round, one.task, one.attempt) for one in bench.failed) == [(0, 0, 0), (0, 3, 0), (1, 1, 0)]
    assert all(one.reason.startswith(REASONS[fault]) and one.retried for one in bench.failed)
    assert [one.attempts - one.tasks for one in result.rounds] == [2, 1]


def test_hanging_attempt(bench: Bench) -> None:
    """An attempt that takes longer than it may is ended, and tried again."""
    bench.check(bench.run(job(Words("hang", (1,))), timeout=3))
    # Where a machine is busy, others take as long.
    assert {one.reason for one in bench.failed} == {"timed out after 3 s"}
    assert (0, 1, 0) in {(one.round, one.task, one.attempt) for one in bench.failed}


def test_killed_after_commit(bench: Bench) -> None:
    """A task whose worker dies when it has committed is done."""
    result = bench.run(job(DiesAfterCommit(bench.storage)), workers=1)
    bench.check(result)
    bench.check_empty()
    assert all(one.task != 0 for one in bench.failed)


class Doubling(LocalExecutor):
    """Starts every attempt a second time, under a number that the driver does not know."""

    shift = 100

    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        doubles = []
        for payload in payloads:
            attempt = payload.attempt._replace(attempt=payload.attempt.attempt + self.shift)
            doubles += [payload, replace(payload, attempt=attempt)]
        super().start(doubles, lambda attempt, how: ended(attempt, how) if attempt.attempt < 100 else None)


class Repeating(Doubling):
    """Starts every attempt twice, as a service does that promises to do it at least once."""

    shift = 0


@pytest.mark.parametrize("name", ["Doubling", "Repeating"])
def test_duplicates(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Attempts that run twice at once count once."""
    monkeypatch.setitem(EXECUTORS, name, f"{__name__}:{name}")
    result = bench.run(job(), executor=name, retries=9)
    # Of attempts that no driver has started nobody knows what they left when they were ended with the job.
    for part in bench.out.glob("_temporary/*/*.1??"):
        part.unlink()
    bench.check(result)


@pytest.mark.parametrize("fault", ["raise", "kill"])
def test_always_fails(bench: Bench, fault: str) -> None:
    """A task that fails in all its attempts ends the job with the reason; nothing of the job is left."""
    with pytest.raises(TaskError, match=REASONS[fault]) as caught:
        bench.run(job(Words(fault, (2,), until=99)), retries=1)
    error = caught.value
    assert (error.round, error.task, error.attempt) == (0, 2, 1)
    assert error.job == bench.failed[-1].job
    assert [(one.attempt, one.retried) for one in bench.failed] == [(0, True), (1, False)]
    bench.check_empty()
    assert list(bench.out.iterdir()) == []
    if fault == "raise":
        assert error.kind == "ValueError"
        assert error.source == str(bench.text)
        assert error.record in map(repr, bench.text.read_text().splitlines())
        assert "in fail\n" in error.traceback
        assert error.where.endswith("in fail")


class OneFailsOneHangs(Words):
    """The first task fails as soon as the second has begun, which never ends."""

    def __init__(self, begun: Path) -> None:
        super().__init__()
        self.begun = begun

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        if self.task.index == 1:
            temporary = self.begun.with_suffix(".tmp")
            temporary.write_text(str(os.getpid()))
            temporary.rename(self.begun)
            fail("hang")
        while not self.begun.exists():
            pass
        fail("raise")
        yield line, 1


def test_other_attempts_are_ended(bench: Bench) -> None:
    """A job that fails ends its attempts that still run; the driver's next job has its workers."""
    begun = bench.text.parent / "begun"
    with Driver(workers=2, split_size=4000, storage=bench.storage, retries=0) as driver:
        with pytest.raises(TaskError, match="on purpose"):
            driver.run(job(OneFailsOneHangs(begun)), bench.text)
        assert not psutil.pid_exists(int(begun.read_text()))
        with driver.run(job(), bench.text) as result:
            assert result.counters["lines"] == 400
    bench.check_empty()


def test_failing_reducer(bench: Bench) -> None:
    """A job that fails in its last round leaves no part either; the key that failed is told."""

    class Always(Total):
        def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
            if key == "17":
                raise ValueError("on purpose")
            yield key, sum(values)

    with pytest.raises(TaskError, match=r"^reduce task \d of round 1 .*: ValueError: on purpose .* at '17'$"):
        bench.run(job(reducer=Always()), retries=0)
    bench.check_empty()
    assert list(bench.out.iterdir()) == []
