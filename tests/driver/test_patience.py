"""The driver waits for stores that are lost, tells so once, and gives up what cannot heal at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event
from driver.events import JobEnded, StorageLost, StorageReached, Warned
from driver.patience import Patience, PatientStore
from mapreduce import Job, Mapper, StoreError, UnreachableStore
from mapreduce.objectstore import MemoryStore, registry
from tests.contract.faulty_store import SCRIPTS, FaultyStore

_names = itertools.count()


class Time:
    """A clock that goes on while somebody sleeps, and as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Sleep for no time at all."""
        self.slept.append(seconds)
        self.now += seconds


class Broken:
    """Raises an error so many times, each taking some seconds, then gives 7."""

    def __init__(self, times: int, time: Time, seconds: float = 0.0, error: type[Exception] = UnreachableStore) -> None:
        self.left = times
        self.calls = 0
        self._time = time
        self._seconds = seconds
        self._error = error

    def __call__(self) -> int:
        self.calls += 1
        self._time.now += self._seconds
        if self.left:
            self.left -= 1
            raise self._error("no answer")
        return 7


class Case:
    """A patience of 100 seconds."""

    def __init__(self, chance: float = 1.0) -> None:
        self.time = Time()
        self.events: list[Event] = []
        self.patience = Patience(
            100.0, "job", self.events.append, clock=self.time, sleep=self.time.sleep, chance=lambda: chance
        )


def test_nothing_to_wait_for() -> None:
    """What succeeds is done once, and nobody hears of it."""
    case = Case()
    act = Broken(0, case.time)
    assert case.patience(act) == 7
    assert (act.calls, case.time.slept, case.events) == (1, [], [])


def test_pauses_grow() -> None:
    """Pauses are doubled up to a limit; one event tells of the beginning, one of the end."""
    case = Case()
    assert case.patience(Broken(8, case.time)) == 7
    assert case.time.slept == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert case.events == [
        StorageLost(job="job", reason="no answer", patience=100.0),
        StorageReached(job="job", seconds=91.5),
    ]


def test_pauses_vary() -> None:
    """Drivers that lost their store at one moment do not come back at one moment."""
    case = Case(chance=0.1)
    case.patience(Broken(3, case.time))
    assert case.time.slept == pytest.approx([0.05, 0.1, 0.2])


def test_giving_up() -> None:
    """At the end of the patience the error of the last try is the caller's."""
    case = Case()
    act = Broken(1000, case.time)
    with pytest.raises(UnreachableStore, match="no answer"):
        case.patience(act)
    assert 100 <= sum(case.time.slept) <= 130
    assert act.calls == len(case.time.slept) + 1
    assert [type(event) for event in case.events] == [StorageLost]


def test_errors_that_stay() -> None:
    """What will not be otherwise tomorrow is not waited for."""
    case = Case()
    with pytest.raises(StoreError):
        case.patience(Broken(1, case.time, error=StoreError))
    assert (case.time.slept, case.events) == ([], [])


def test_sleep_of_the_machine() -> None:
    """A night between two tries, or a clock that was set, is not waiting: it uses up no more than a try may."""
    case = Case()

    class Night(Broken):
        def __call__(self) -> int:
            self._time.now += {1: 8 * 3600.0, 2: -5000.0}.get(self.calls, 0.0)
            return super().__call__()

    assert case.patience(Night(4, case.time)) == 7
    assert case.time.slept == [0.5, 1, 2, 4]


def test_slow_tries_count() -> None:
    """Tries that take their time, as those without an answer do, are waiting too."""
    case = Case()
    act = Broken(1000, case.time, seconds=40.0)
    with pytest.raises(UnreachableStore):
        case.patience(act)
    assert act.calls == 3


ACTS: dict[str, Callable[[PatientStore], Any]] = {
    "put": lambda store: store.put("b", b"1"),
    "put_if_absent": lambda store: store.put_if_absent("c", b"1"),
    "get": lambda store: store.get("a"),
    "open": lambda store: store.open("a").read(),
    "view": lambda store: bytes(store.view("a", 0, 1)),
    "size": lambda store: store.size("a"),
    "list": lambda store: [info.key for info in store.list("a")],
    "folders": lambda store: [*store.folders("")],
    "delete": lambda store: store.delete(key for key in ["x", "y"]),
    "move": lambda store: store.move("a", "d"),
}


class Lost:
    """Fails a store's first operations."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, name: str, key: str) -> None:
        if self.left > 0:
            self.left -= 1
            raise UnreachableStore(f"lost at {name} {key}")


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_patient_store(act: Callable[[PatientStore], Any]) -> None:
    """Every operation of a store that is lost for a while gives what it gives otherwise."""
    case = Case()
    inner = MemoryStore(f"patient-{next(_names)}")
    script = Lost(3)
    inner.put("a", b"1")
    inner.put("f/x", b"1")
    other = MemoryStore(f"patient-{next(_names)}")
    for info in inner.list(""):
        other.put(info.key, inner.get(info.key))
    given = act(PatientStore(FaultyStore(inner, script), case.patience))
    assert given == act(PatientStore(other, Case().patience))
    assert script.left == 0
    assert [type(event) for event in case.events] == [StorageLost, StorageReached]
    assert {info.key for info in inner.list("")} == {info.key for info in other.list("")}


def test_listing_lost_midway() -> None:
    """A listing that breaks off is made again from its beginning: each key comes once."""
    case = Case()

    class Breaking(MemoryStore):
        broken = False

        def list(self, prefix: str) -> Iterator[Any]:
            for number, info in enumerate(super().list(prefix)):
                if number == 2 and not self.broken:
                    self.broken = True
                    raise UnreachableStore("lost")
                yield info

    inner = Breaking(f"patient-{next(_names)}")
    for number in range(4):
        inner.put(f"k{number}", b"")
    assert [info.key for info in PatientStore(inner, case.patience).list("k")] == ["k0", "k1", "k2", "k3"]


def test_checks_are_impatient() -> None:
    """Whoever checks wants to know how it is now."""
    case = Case()

    class Silent(MemoryStore):
        def check(self) -> None:
            raise UnreachableStore("no answer")

        reach = check

    store = PatientStore(Silent("patient-silent"), case.patience)
    for check in (store.check, store.reach):
        with pytest.raises(UnreachableStore):
            check()
    assert case.events == []


class Words(Mapper[str, str, int]):
    """Words."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Outage:
    """Fails the operations from the n-th on, for so many of them."""

    def __init__(self, first: int, count: int) -> None:
        self._first = first
        self._count = count
        self.seen = 0

    def __call__(self, name: str, key: str) -> None:
        self.seen += 1
        if self._first < self.seen <= self._first + self._count:
            raise UnreachableStore(f"lost at {name} {key}")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a job on a store with a script, without waiting."""
    monkeypatch.setitem(registry.STORES, "faulty", "tests.contract.faulty_store:FaultyStore")
    monkeypatch.setattr("driver.means.Patience", lambda *arguments: Patience(*arguments, sleep=lambda seconds: None))
    text = tmp_path / "in.txt"
    text.write_text("a b\n" * 20)

    def start(script: Callable[[str, str], None], events: list[Event], **settings: Any) -> Any:
        name = f"outage-{next(_names)}"
        SCRIPTS[name] = SCRIPTS[f"{name}/jobs"] = script
        given = {"executor": "inline", "workers": 2, "retries": 0, "state": tmp_path / "state", **settings}
        driver = Driver(storage=f"faulty://{name}", callbacks=[events.append], **given)
        return driver.run(Job(mapper=Words(), reducer=None), text)

    return start


def operations_before_the_rounds(run: Callable[..., Any]) -> int:
    """How many operations a job takes until its first round."""
    seen: list[int] = []

    def script(name: str, key: str) -> None:
        if "/plan." in key and not seen:
            seen.append(count[0])
        count[0] += 1

    count = [0]
    run(script, []).close()
    return seen[0]


def test_job_survives(run: Callable[..., Any]) -> None:
    """A job whose storage is lost for ten tries when its plan is written ends as if nothing had been."""
    events: list[Event] = []
    outage = Outage(operations_before_the_rounds(run), 10)
    with run(outage, events) as result:
        assert sorted(result) == [("a", 1)] * 20 + [("b", 1)] * 20
    assert [type(event) for event in events if isinstance(event, StorageLost | StorageReached)] == [
        StorageLost,
        StorageReached,
    ]


def test_job_without_patience(run: Callable[..., Any], tmp_path: Path) -> None:
    """When the patience is at its end, the job is left as it is, and the user is told how to go on."""
    events: list[Event] = []
    outage = Outage(operations_before_the_rounds(run), 10_000)
    with pytest.raises(UnreachableStore):
        run(outage, events, patience=5)
    job = events[-1].job
    assert [event.text for event in events if isinstance(event, Warned)] == [
        f"what was done is kept: `mapreduce resume {job}` goes on when the store can be reached"
    ]
    assert isinstance(events[-1], JobEnded)
    name = next(reversed(SCRIPTS)).removesuffix("/jobs")
    SCRIPTS[name] = SCRIPTS[f"{name}/jobs"] = lambda operation, key: None
    driver = Driver(executor="inline", state=tmp_path / "state", storage=f"faulty://{name}")
    with driver.resume(job) as result:
        assert sorted(result) == [("a", 1)] * 20 + [("b", 1)] * 20
    assert list(MemoryStore(name).list("")) == []
