"""Jobs of several threads share a driver's workers, and nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from driver import Driver, Event
from driver.executors.local import LocalExecutor
from mapreduce import Job, JobError, Mapper, Reducer, TaskError


class Words(Mapper[str, str, int]):
    """Words with a mark of the job that counts them; a job may fail."""

    def __init__(self, mark: str, *, fails: bool = False) -> None:
        self.mark = mark
        self.fails = fails

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        if self.fails:
            raise ValueError(self.mark)
        for word in record.split():
            yield f"{self.mark} {word}", 1
        self.task.count(f"lines of {self.mark}")


class Total(Reducer[str, int, str, int]):
    """Adds."""

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


def job(mark: str, *, fails: bool = False) -> Job[str, str, int, str, int]:
    return Job(mapper=Words(mark, fails=fails), combiner=sum, reducer=Total())


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Thirty lines of words."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{number % 3} {number % 7}\n" for number in range(30)))
    return path


def check_jobs(driver: Driver, text: Path) -> None:
    """Run jobs at once from threads, some of which fail."""
    words = Counter(text.read_text().split())

    def one(number: int) -> None:
        mark = f"job {number}"
        if number % 4 == 3:
            with pytest.raises(TaskError, match=f"ValueError: {mark} "):
                driver.run(job(mark, fails=True), text)
            return
        with driver.run(job(mark), text, partitions=1 + number % 3) as result:
            assert dict(result) == {f"{mark} {word}": count for word, count in words.items()}
            assert result.counters == {f"lines of {mark}": 30}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(12)))


def test_inline(tmp_path: Path, text: Path) -> None:
    """Threads that run jobs in this process do not mix them."""
    check_jobs(Driver(executor="inline", storage=tmp_path / "storage", split_size=20, retries=0), text)
    assert list((tmp_path / "storage").iterdir()) == []


@pytest.mark.process
def test_local(tmp_path: Path, text: Path) -> None:
    """Threads that share worker processes do not mix their jobs."""
    with Driver(workers=2, storage=tmp_path / "storage", split_size=20, retries=0) as driver:
        check_jobs(driver, text)
    assert list((tmp_path / "storage").iterdir()) == []


class Process(Mapper[str, int, int]):
    """Yields the id of its process."""

    def map(self, record: str) -> Iterator[tuple[int, int]]:
        import os

        yield os.getpid(), 1


@pytest.mark.process
def test_workers_are_reused(tmp_path: Path, text: Path) -> None:
    """Jobs after one another run in the same processes, no more than were asked for."""
    with Driver(workers=2, storage=tmp_path / "storage", split_size=20) as driver:
        pids = [{pid for pid, _ in driver.run(Job(mapper=Process()), text)} for _ in range(3)]
    assert len(set.union(*pids)) <= 2


@pytest.mark.process
def test_closed_and_used_again(tmp_path: Path, text: Path) -> None:
    """A closed driver that is given a job starts workers again."""
    with Driver(workers=2, storage=tmp_path / "storage") as driver:
        before = {pid for pid, _ in driver.run(Job(mapper=Process()), text)}
        driver.close()
        after = {pid for pid, _ in driver.run(Job(mapper=Process()), text)}
    assert before.isdisjoint(after)


@pytest.mark.process
def test_idle_worker_dies(tmp_path: Path, text: Path) -> None:
    """A worker that dies while it has nothing to do, or that is ended with another's job, costs nobody an attempt."""
    with Driver(workers=1, storage=tmp_path / "storage", retries=0) as driver:
        [(before, _), *_] = driver.run(Job(mapper=Process()), text)
        executor = driver._executor
        assert isinstance(executor, LocalExecutor)
        executor._processes[0].kill()
        [(after, _), *_] = driver.run(Job(mapper=Process()), text)
    assert before != after


class Wait(Mapper[str, str, int]):
    """Never ends."""

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        threading.Event().wait()
        yield "", 0


@pytest.mark.process
def test_closed_under_a_job(tmp_path: Path, text: Path) -> None:
    """Closing a driver ends the jobs of other threads with an error, not never."""
    started = threading.Event()

    def tell(event: Event) -> None:
        started.set()

    driver = Driver(workers=2, storage=tmp_path / "storage", callbacks=[tell])
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(driver.run, Job(mapper=Wait()), text)
        assert started.wait(60)
        driver.close()
        with pytest.raises(JobError, match="its driver was closed"):
            future.result(60)
    assert list((tmp_path / "storage").iterdir()) == []
