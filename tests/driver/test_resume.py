"""A driver may be killed at any moment: another one finishes its job, and runs no committed task again."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from driver import Driver, Event
from driver.events import JobEnded, JobStarted, RoundEnded, TaskEnded
from driver.housekeeping import clear, find_leftovers
from driver.notebook import Notebook, notebooks, read_notebook
from mapreduce import Job, JobError, Mapper, OutputError, Reducer
from mapreduce.objectstore import FolderStore, open_store
from tests.acceptance.conftest import contents
from worker.layout import done_prefix

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]


class Words(Mapper[str, str, int]):
    """Words; each attempt says that it ran."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        for word in line.split():
            yield word, 1

    def finish(self) -> Iterator[tuple[str, int]]:
        say(self.log, self.task.round, self.task.index)
        return iter(())


class Total(Reducer[str, int, str, int]):
    """Adds; likewise."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.task.count("keys")
        yield key, sum(values)

    def finish(self) -> Iterator[tuple[str, int]]:
        say(self.log, self.task.round, self.task.index)
        return iter(())


class Initials(Mapper[tuple[str, int], str, int]):
    """First letters of words."""

    def map(self, pair: tuple[str, int]) -> Iterator[tuple[str, int]]:
        yield pair[0][0], pair[1]


def say(log: Path, number: int, task: int) -> None:
    with log.open("a") as file:
        file.write(f"{number}/{task}\n")


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Outcome(NamedTuple):
    """What a job leaves: its pairs, counters, records that each round has read, and files of output."""

    pairs: list[Any]
    counters: dict[str, int]
    records: list[int]
    files: dict[str, bytes]


class Bench:
    """Runs a job in a child that dies, resumes it here, and compares with a run that nothing disturbed.

    Cases of the same job share the outcome of that run, by its settings.
    """

    def __init__(
        self, folder: Path, outcomes: dict[str, Outcome] | None = None, *, chain: bool = False, output: bool = True
    ) -> None:
        self.folder = folder
        self.outcomes = {} if outcomes is None else outcomes
        self.storage = folder / "storage"
        self.state = str(folder / "state")
        self.log = folder / "log"
        self.text = folder / "text.txt"
        self.output = output
        self.text.write_text("".join(f"a{n % 7} b{n % 5} c{n}\n" for n in range(30)))
        self.log.touch()
        first = Job(mapper=Words(self.log), reducer=Total(self.log))
        second = Job(mapper=Initials(), combiner=sum, reducer=Total(self.log))
        self.jobs: list[Any] = [first, second] if chain else [first]

    def driver(self, **settings: Any) -> Driver:
        """A driver with the settings of all runs here."""
        given: dict[str, Any] = {"executor": "inline", "workers": 2, "split_size": 100, "state": self.state}
        return Driver(**{**given, "storage": self.storage, **settings})

    def die(self, arrange: Callable[[], list[Callable[[Event], None]]], **settings: Any) -> bool:
        """Run in a child; returns whether it was killed."""
        child = os.fork()
        if child == 0:  # nothing of the tests may go on here, whatever happens
            try:
                driver = self.driver(callbacks=arrange(), **settings)
                driver.run(self.jobs, self.text, self.folder / "out" if self.output else None, partitions=2).close()
                driver.close()
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
        return status != 0

    def committed(self) -> set[str]:
        """The tasks that have commit records."""
        [job] = notebooks(self.state)
        store = open_store(self.storage)
        return {
            f"{number}/{int(info.key.rpartition('/')[2])}"
            for number in range(4)
            for info in store.list(done_prefix(job, number))
        }

    def resume(self, **settings: Any) -> Any:
        """Resume the only job there is."""
        [job] = notebooks(self.state)
        return self.driver(**settings).resume(job)

    def outcome(self, result: Any) -> Outcome:
        """What must be the same, however a job came to its end."""
        files = contents(self.folder / "out") if self.output else {}
        return Outcome(list(result), result.counters, [one.records_in for one in result.rounds], files)

    def check(self, result: Any, **settings: Any) -> None:
        """The result is that of a run without faults, and nothing else is left."""
        named = repr((len(self.jobs), self.output, sorted(settings.items())))
        if named not in self.outcomes:
            folder = self.folder.with_name(f"{self.folder.name}-clean")
            folder.mkdir()
            clean = Bench(folder, chain=len(self.jobs) == 2, output=self.output)
            expected = clean.driver(**settings).run(
                clean.jobs, clean.text, folder / "out" if self.output else None, partitions=2
            )
            self.outcomes[named] = clean.outcome(expected)
            expected.close()
        assert self.outcome(result) == self.outcomes[named]
        result.close()
        assert list(self.storage.rglob("*")) == []
        assert "secret" not in read_notebook(self.state, result.job)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    """Makes benches; drivers look at the keys whenever an attempt has ended, so that they see each by itself."""
    monkeypatch.setattr("driver.barrier._LEAST", 0.0)
    monkeypatch.setattr("driver.barrier._SHARE", 1e9)

    outcomes: dict[str, Outcome] = {}

    def make(name: str = "case", **options: Any) -> Bench:
        folder = tmp_path / name
        folder.mkdir()
        return Bench(folder, outcomes, **options)

    return make


def at(kind: type, number: int = 0, round: int | None = None) -> Callable[[], list[Callable[[Event], None]]]:
    """Kills the process at the n-th event of a kind."""

    def arrange() -> list[Callable[[Event], None]]:
        left = [number]

        def callback(event: Event) -> None:
            if isinstance(event, kind) and (round is None or getattr(event, "round", None) == round):
                if left[0] == 0:
                    kill()
                left[0] -= 1

        return [callback]

    return arrange


POINTS = {
    "before the plan": at(JobStarted),
    "mid map round": at(TaskEnded, 2, 0),
    "between rounds": at(RoundEnded, 0, 0),
    "mid reduce round": at(TaskEnded, 0, 1),
    "before publishing": at(RoundEnded, 0, 1),
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
@pytest.mark.parametrize("executor", ["inline", "local"])
def test_points(bench: Callable[..., Bench], point: Any, executor: str) -> None:
    """At each stage of a job: what was committed is taken over, the rest runs, and the result is the same."""
    case = bench()
    assert case.die(point, executor=executor)
    committed = case.committed()
    before = Counter(case.log.read_text().split())
    driver = case.driver(executor=executor)
    with driver:
        [job] = notebooks(case.state)
        result = driver.resume(job)
        after = Counter(case.log.read_text().split())
        assert {task: after[task] for task in committed} == {task: before[task] for task in committed}
        assert len(after) == result.rounds[0].tasks + result.rounds[1].tasks
        case.check(result)


def test_two_levels(bench: Callable[..., Bench]) -> None:
    """A round of merge tasks that an earlier driver chose is there for the next one too, whatever that prefers."""
    for number, point in enumerate(
        (at(RoundEnded, 0, 0), at(TaskEnded, 1, 1), at(RoundEnded, 0, 1), at(TaskEnded, 0, 2))
    ):
        case = bench(f"case-{number}")
        assert case.die(point, exchange="two-level")
        committed = case.committed()
        events: list[Event] = []
        result = case.resume(exchange="direct", callbacks=[events.append])
        assert [one.kind for one in result.rounds] == ["map", "merge", "reduce"]
        again = {f"{one.round}/{one.task}" for one in events if isinstance(one, TaskEnded) and one.attempt >= 1000}
        assert again
        assert not again & committed
        case.check(result, exchange="two-level")


def kill_at(number: int) -> Callable[[], list[Callable[[Event], None]]]:
    """Kills the process before its n-th operation of a store, of driver and workers alike."""

    def arrange() -> list[Callable[[Event], None]]:
        left = [number]

        def counted(act: Callable[..., Any]) -> Callable[..., Any]:
            def operation(*arguments: Any, **named: Any) -> Any:
                if left[0] == 0:
                    kill()
                left[0] -= 1
                return act(*arguments, **named)

            return operation

        for name in ("create", "put_if_absent", "open", "get", "list", "delete", "move", "sweep"):
            setattr(FolderStore, name, counted(getattr(FolderStore, name)))
        return []

    return arrange


@pytest.mark.slow
@pytest.mark.parametrize(("chain", "output"), [(False, True), (True, False)], ids=["folder", "chain"])
def test_any_moment(bench: Callable[..., Bench], *, chain: bool, output: bool) -> None:
    """Before whatever operation the driver is killed: a job that had started is finished; else it can be removed."""
    number, resumed, refused = 0, 0, Counter[str]()
    while True:
        case = bench(f"case-{number}", chain=chain, output=output)
        if not case.die(kill_at(number)):
            break
        number += 1
        if not notebooks(case.state):
            continue
        committed = case.committed()
        before = Counter(case.log.read_text().split())
        try:
            result = case.resume()
        except JobError as error:
            refused[str(error).split(maxsplit=2)[2].partition(" (")[0].partition(":")[0]] += 1
            [job] = notebooks(case.state)
            place = open_store(case.folder / "out") if output else None
            clear(find_leftovers(job, open_store(case.storage), None, place))
            assert not case.storage.exists() or list(case.storage.rglob("*")) == []
            if "cannot be resumed" in str(error) and output:
                assert (case.folder / "out" / "_SUCCESS").exists()
            continue
        resumed += 1
        after = Counter(case.log.read_text().split())
        assert {task: after[task] for task in committed} == {task: before[task] for task in committed}
        case.check(result)
    assert resumed > 30
    assert set(refused) == {"had not started when its driver ended", "has ended"}


def test_killed_twice(bench: Callable[..., Bench]) -> None:
    """A driver that resumes may be killed too; attempts of all drivers have names of their own."""
    case = bench()
    assert case.die(at(TaskEnded, 0, 0))
    child = os.fork()
    if child == 0:
        try:
            case.resume(callbacks=at(TaskEnded, 2, 0)())
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    events: list[Event] = []
    result = case.resume(callbacks=[events.append])
    assert [event.resumed for event in events if isinstance(event, JobStarted)] == [True]
    attempts = {event.attempt // 1000 for event in events if isinstance(event, TaskEnded) and event.round == 0}
    assert attempts == {0, 1, 2}
    case.check(result)


def test_not_resumed(bench: Callable[..., Bench]) -> None:
    """What cannot be resumed is told from what can: jobs unknown, ended, running, of another version."""
    case = bench()
    with pytest.raises(JobError, match="nothing is known of a job 20260101-000000-0123abcd here"):
        case.driver().resume("20260101-000000-0123abcd")
    with pytest.raises(JobError, match="nothing is known of a job"):
        case.driver().resume("../../etc")
    jobs: list[str] = []

    def reenter(event: Event) -> None:
        if isinstance(event, TaskEnded):
            with pytest.raises(JobError, match="is running: a process of this machine holds it"):
                case.driver().resume(event.job)
            jobs.append(event.job)

    case.driver(callbacks=[reenter]).run(case.jobs, case.text, case.folder / "out")
    with pytest.raises(JobError, match=r"has ended \(done\), and cannot be resumed; its output is in .*out"):
        case.driver().resume(jobs[0])


def test_another_version(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """A job is resumed by the version that planned it, and stays resumable when another one has refused it."""
    case = bench()
    assert case.die(at(TaskEnded))
    with monkeypatch.context() as patched:
        patched.setattr("mapreduce.__version__", "99.0")
        with pytest.raises(JobError, match=r"was started by version .*, and this is 99\.0"):
            case.resume()
    case.check(case.resume())


def test_output_that_somebody_replaced(bench: Callable[..., Bench]) -> None:
    """A driver that resumes replaces nobody's result, and takes nobody's parts for its own."""
    case = bench()
    assert case.die(at(RoundEnded, 0, 1))
    out = case.folder / "out"
    for path in out.rglob("*.*"):
        if path.is_file():
            path.unlink()
    for name in ("part-00000", "part-00001"):
        (out / name).write_text("somebody's\n")
    (out / "_SUCCESS").write_text('{"job": "another", "objects": ["part-00000", "part-00001"]}')
    with pytest.raises(OutputError, match="is not empty"):
        case.resume()
    assert (out / "part-00000").read_text() == "somebody's\n"
    [job] = notebooks(case.state)
    notebook = Notebook.take(case.state, job)
    notebook.write(settings={**notebook.fields["settings"], "overwrite": True})
    notebook.close()
    with pytest.raises(OutputError, match="somebody removed it, or replaced the job's result"):
        case.resume()
    assert (out / "part-00000").read_text() == "somebody's\n"


def test_secret_is_private(bench: Callable[..., Bench]) -> None:
    """The notebook is for its owner alone, and has no password."""
    case = bench()
    assert case.die(at(TaskEnded), redis_password="pass-of-redis")
    [job] = notebooks(case.state)
    folder = Path(case.state) / job
    for path in [folder, *folder.iterdir()]:
        assert path.stat().st_mode & 0o077 == 0
    text = (folder / "job.json").read_text()
    assert "pass-of-redis" not in text
    secret = read_notebook(case.state, job)["secret"]
    assert not any(secret.encode() in data for data in contents(case.storage).values())


def test_events_end(bench: Callable[..., Bench]) -> None:
    """A job that was resumed ends as any."""
    case = bench()
    assert case.die(at(TaskEnded))
    events: list[Event] = []
    case.resume(callbacks=[events.append])
    assert isinstance(events[-1], JobEnded)
    assert events[-1].error == ""
