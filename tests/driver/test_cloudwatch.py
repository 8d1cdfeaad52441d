"""What attempts printed on AWS Lambda is found in the function's log, which many jobs share."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from driver.cloudwatch import log_group, printed
from driver.logs import Wanted
from mapreduce import StoreError
from mapreduce.objectstore import Access
from tests.services.s3_servers import ministack, use

pytestmark = pytest.mark.process

JOB = "20261125-120000-0123abcd"
_names = itertools.count()


class Log:
    """The log of a function, filled as the service does it."""

    def __init__(self, client: Any) -> None:
        self.function = f"mapreduce-{next(_names)}"
        self._client = client
        self._now = int(time.time() * 1000) - 600_000
        client.create_log_group(logGroupName=f"/aws/lambda/{self.function}")

    def sandbox(self, name: str, *invocations: list[str]) -> None:
        """Put what the invocations of one sandbox printed, one after the other."""
        group = {"logGroupName": f"/aws/lambda/{self.function}", "logStreamName": name}
        self._client.create_log_stream(**group)
        for number, lines in enumerate(invocations):
            messages = [f"START RequestId: {name}-{number} Version: $LATEST\n", *lines]
            messages += [f"END RequestId: {name}-{number}\n", f"REPORT RequestId: {name}-{number} Duration: 1 ms\n"]
            self._client.put_log_events(
                **group, logEvents=[{"timestamp": self._now, "message": message} for message in messages]
            )
            self._now += 1000


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """A log on a real server, which the environment names."""
    server = ministack()
    use(server.root, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    return Log(server.client("logs", server.root))


def start(task: str, job: str = JOB) -> str:
    return f"mapreduce {job}/{task} start\n"


def test_lines(log: Log) -> None:
    """Each line comes with its attempt, in order; other jobs' lines, and the service's own, do not come."""
    log.sandbox("one", [start("0/00003.0"), "hello\n", "there\n"], [start("0/00001.0", "another"), "not ours\n"])
    log.sandbox("two", ["import time noise\n", start("0/00012.1"), "again\n"], [start("1/00003.0"), "reduce\n"])
    told = [(one.round, one.task, one.attempt, one.text) for one in printed(JOB, Wanted(), log.function, Access())]
    assert told == [
        (0, 3, 0, "hello"),
        (0, 3, 0, "there"),
        (0, 12, 1, "again"),
        (1, 3, 0, "reduce"),
    ]
    assert [one.text for one in printed(JOB, Wanted(None, 3), log.function, Access())] == ["hello", "there", "reduce"]
    assert [one.text for one in printed(JOB, Wanted(1, 3), log.function, Access())] == ["reduce"]


def test_user_code_prints_starts(log: Log) -> None:
    """A line of user code that looks like a start is not one, unless it is one to the letter."""
    log.sandbox("one", [start("0/00001.0"), f"mapreduce {JOB}/0/00002.0 started\n", f"x {start('0/00002.0')}"])
    assert {one.task for one in printed(JOB, Wanted(), log.function, Access())} == {1}


def test_many_lines(log: Log) -> None:
    """An attempt may print more than one answer of the service holds."""
    lines = [f"line {number}\n" for number in range(3_000)]
    log.sandbox("one", [start("0/00001.0"), *lines])
    assert [f"{one.text}\n" for one in printed(JOB, Wanted(), log.function, Access())] == lines


class Hesitant:
    """A client whose every other answer has no lines, and a token for more, as those of AWS may have."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._calls = 0

    def get_paginator(self, operation: str) -> Any:
        return self._client.get_paginator(operation)

    def get_log_events(self, **arguments: Any) -> Any:
        self._calls += 1
        token = arguments.get("nextToken", "")
        if self._calls % 2:
            return {"events": [], "nextForwardToken": f"again {token}"}
        real = token.removeprefix("again ")
        return self._client.get_log_events(**{**arguments, "nextToken": real} if real else without(arguments))


def without(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name != "nextToken"}


def test_answers_without_lines(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are no end."""
    lines = [f"line {number}\n" for number in range(3_000)]
    log.sandbox("one", [start("0/00001.0"), *lines])
    client = Hesitant(ministack().client("logs", ministack().root))
    monkeypatch.setattr("driver.cloudwatch._client", lambda access, region: client)
    assert [f"{one.text}\n" for one in printed(JOB, Wanted(), log.function, Access())] == lines


def test_no_log(log: Log) -> None:
    """A log that does not exist is named."""
    with pytest.raises(StoreError, match=r"cannot read the log group /aws/lambda/nobodys of CloudWatch: .*NotFound"):
        list(printed(JOB, Wanted(), "nobodys", Access()))


@pytest.mark.parametrize("name", ["f", "arn:aws:lambda:eu-west-1:123456789012:function:f", "f:7"])
def test_log_group(name: str) -> None:
    """A function may be given by its name or its ARN, with a version."""
    assert log_group(name) == "/aws/lambda/f"
