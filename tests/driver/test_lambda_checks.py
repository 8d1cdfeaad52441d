"""What an executor on AWS Lambda refuses before it starts anything, and how many attempts it lets run."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from driver.executors.lambda_.checks import check_function
from driver.executors.lambda_.flights import Flight, Flights
from mapreduce import ConfigError, __version__
from tests.worker.test_payload import payload
from worker.payload import PYTHON

GOOD: dict[str, Any] = {"version": __version__, "python": PYTHON, "key": "a key"}


def test_a_function_that_fits() -> None:
    """Nothing is said of a function of the same release, with the same Python, that has a key."""
    check_function("f", GOOD)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"version": "99.0"}, r"f has bsp-mapreduce 99\.0, the driver \S+: run `mapreduce deploy` again"),
        ({"version": None}, r"f has bsp-mapreduce None"),
        ({"python": "3.99"}, r"f runs Python 3\.99, this driver 3\.\d+: .*run `mapreduce deploy` from this Python"),
        ({"key": ""}, r"f has no key"),
    ],
    ids=["release", "no release", "python", "key"],
)
def test_another_kind_of_function(other: dict[str, Any], told: str) -> None:
    """It is refused, with what to do."""
    with pytest.raises(ConfigError, match=told):
        check_function("f", {**GOOD, **other})


def test_no_more_than_the_limit_are_under_way() -> None:
    """However many wait, and whether one or many are taken at once, the limit holds; each that ends makes room."""
    flights = Flights(3)
    attempts = [payload().attempt._replace(task=task) for task in range(8)]
    landed: list[int] = []
    flights.add(
        Flight(replace(payload(), attempt=one), lambda attempt, how: landed.append(attempt.task)) for one in attempts
    )
    taken = flights.take(many=100, crowd=1)
    assert [flight.payload.attempt.task for flight in taken] == [0, 1, 2]
    waiting = threading.Thread(target=lambda: taken.extend(flights.take(many=100, crowd=1)))
    waiting.start()
    flights.land(attempts[1], "")
    waiting.join(30)
    assert [flight.payload.attempt.task for flight in taken] == [0, 1, 2, 3]
    assert landed == [1]
    flights.drop(attempts[:4])
    assert len(flights.take(many=2, crowd=1)) == 2
    assert len(flights.take()) == 1
