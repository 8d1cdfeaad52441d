"""A driver shows that it is alive, at a price that is known, and ends its job when it is asked to."""

from __future__ import annotations

import itertools
import json

import pytest

from driver.pulse import BEAT, LOOK, Pulse, ask_to_cancel, cancellation
from mapreduce import JobCancelled
from mapreduce.objectstore import MemoryStore
from worker.layout import cancel_key, driver_key

_names = itertools.count()


class Counted(MemoryStore):
    """Counts reads, also of what is absent."""

    gets = 0

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        self.gets += 1
        return super().get(key, start, end)


class Case:
    """A pulse on a clock that is told the time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.store = Counted(f"pulse-{next(_names)}")
        self.pulse = Pulse(self.store, "job", lambda: self.now, lambda: 1_800_000_000 + self.now)
        self.pulse.begin("Words", [["map", 3], ["reduce", 2], ["map", 0]])

    def told(self) -> dict[str, object]:
        """What the driver has shown."""
        told: dict[str, object] = json.loads(self.store.get(driver_key("job")))
        return told

    def spent(self) -> dict[str, int]:
        """Requests by kind."""
        counts = self.store.requests.snapshot()
        return {"put": counts.get("put", 0), "get": self.store.gets, "list": counts.get("list", 0)}


def test_begin() -> None:
    """From the start it is known what runs, who runs it, since when, and what rounds it will have."""
    told = Case().told()
    assert (told["job"], told["title"]) == ("job", "Words")
    assert "@" in str(told["who"])
    assert told["started"] == told["beat"] == "2027-01-15T08:01:40+00:00"
    assert told["rounds"] == [["map", 3], ["reduce", 2], ["map", 0]]


def test_price() -> None:
    """An hour costs a write a minute and a read every five seconds, however often it is asked."""
    case = Case()
    for _ in range(36_000):
        case.now += 0.1
        case.pulse.beat()
    spent = case.spent()
    assert spent["list"] == 0
    assert spent["put"] == pytest.approx(1 + 3600 / BEAT, abs=1)
    assert spent["get"] == pytest.approx(3600 / LOOK, abs=15)


def test_short_jobs() -> None:
    """A job of seconds writes once, and reads nothing."""
    case = Case()
    for number, tasks in enumerate([3, 2]):
        case.pulse.round(number, ["map", "reduce"][number], tasks)
        case.now += 2
        case.pulse.beat()
    assert case.spent() == {"put": 1, "get": 0, "list": 0}


def test_rounds_that_were_not_known() -> None:
    """The tasks of a later round are shown once they are planned."""
    case = Case()
    case.pulse.round(2, "map", 7)
    assert case.told()["rounds"] == [["map", 3], ["reduce", 2], ["map", 7]]
    case.pulse.round(1, "merge", 4)
    case.pulse.round(2, "reduce", 2)
    assert case.told()["rounds"] == [["map", 3], ["merge", 4], ["reduce", 2], ["map", 7]]


def test_cancel() -> None:
    """A job that is asked to end does, within seconds, and says by whom."""
    case = Case()
    ask_to_cancel(case.store, "job")
    case.pulse.beat()
    case.now += LOOK
    with pytest.raises(JobCancelled, match=r"^job job was cancelled by .+@.+ at 2\d\d\d-"):
        case.pulse.beat()


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"null", b"\xff\xfe", b'"x"'])
def test_odd_cancellations(data: bytes) -> None:
    """Whatever lies there, the job is to end."""
    case = Case()
    case.store.put(cancel_key("job"), data)
    assert cancellation(case.store, "job") == "somebody who did not say who"


def test_terminals_are_not_told_what_to_do() -> None:
    """Who cancelled is somebody else's text."""
    case = Case()
    case.store.put(cancel_key("job"), json.dumps({"who": "\x1b[2Jme" + "x" * 5000, "at": "\n"}).encode())
    shown = cancellation(case.store, "job")
    assert shown.isprintable()
    assert len(shown) <= 200
