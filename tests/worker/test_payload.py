"""Payloads."""

from __future__ import annotations

import dataclasses
import json
import platform

import pytest

from shuffle import AttemptId
from tests.worker.build import Laid
from worker.payload import Payload, Range

SECRET = "5ec2e7" * 10


def payload() -> Payload:
    """A payload of which every field has been given."""
    return Payload(
        attempt=AttemptId("job", 1, 2, 3),
        kind="reduce",
        secret=SECRET,
        storage="file:///storage",
        shuffle="file:///shuffle",
        output="file:///out",
        partitions=7,
        code="jobs/job/code/1",
        bundle="jobs/job/code/2",
        files={"é": "jobs/job/files/3"},
        row=Range("jobs/job/plan", 10, 20),
        memory=1 << 40,
        python="3.99",
    )


def test_json_round_trip() -> None:
    """A payload comes out of JSON as it went in, its named tuples included."""
    there = Payload.from_json(payload().to_json())
    assert there == payload()
    assert (there.attempt.task, there.row.end) == (2, 20)


def test_every_field_travels() -> None:
    """What an attempt is told is in the document, by the fields' names."""
    document = json.loads(payload().to_json())
    assert set(document) == {field.name for field in dataclasses.fields(Payload)}
    assert document["secret"] == SECRET


def test_payloads_are_small() -> None:
    """A payload does not grow with the job's code, input or number of tasks."""
    laid = Laid([list(range(10_000))] * 50)
    assert len(laid.payload("map", 49).to_json()) < 1_000


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__], ids=["repr", "str", "format", "percent"])
def test_the_secret_is_not_shown(show: type[str]) -> None:
    """Logs and tracebacks that show a payload do not show its secret."""
    assert SECRET not in show(payload())
    assert show(payload()) == "Payload(reduce job/1/00002.3)"
    assert SECRET not in show([payload()])


def test_the_version_of_python_is_the_minor_one() -> None:
    """A payload says which Python made it, without the patch level."""
    assert Laid([[1]]).payload("map").python == ".".join(platform.python_version_tuple()[:2])
