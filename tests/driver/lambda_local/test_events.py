from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver.lambda_local import LambdaLocal
from tests.driver.lambda_local.calls import FAIL, Functions, until
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.process


def _records(s3: S3Server, name: str) -> list[dict[str, Any]]:
    """The failure records of a function."""
    listed = s3.client().list_objects_v2(Bucket="tests", Prefix=f"aws/lambda/async/{name}/")
    keys = [entry["Key"] for entry in listed.get("Contents", [])]
    return [json.loads(s3.client().get_object(Bucket="tests", Key=key)["Body"].read()) for key in keys]


def _to_s3(functions: Functions, name: str, **more: Any) -> None:
    functions.api.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::tests"}}, **more
    )


def test_an_event_runs(functions: Functions) -> None:
    name = functions.create()
    request = functions.send(name, "print('I ran')")
    until(lambda: functions.log(name, '"I ran"'))
    until(lambda: functions.log(name, f'"REPORT RequestId: {request}"'))


def test_an_event_that_fails_is_tried_again_with_the_same_id(functions: Functions, s3: S3Server) -> None:
    name = functions.create()
    _to_s3(functions, name)
    request = functions.send(name, FAIL)
    [record] = until(lambda: _records(s3, name))
    assert len(functions.log(name, f'"START RequestId: {request}"')) == 3
    assert record["requestContext"] == {
        "requestId": request,
        "functionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{name}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["requestPayload"] == {"run": FAIL}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_an_event_that_succeeds_at_last_is_not_on_record(functions: Functions, s3: S3Server, tmp_path: Path) -> None:
    name = functions.create()
    _to_s3(functions, name)
    path = str(tmp_path / "tried")
    functions.send(
        name,
        "import os; os.mkdir(event['path']) or 1 / 0 if not os.path.exists(event['path']) else print('done')",
        path=path,
    )
    until(lambda: functions.log(name, '"REPORT"')[1:])
    assert len(functions.log(name, "ZeroDivisionError")) == 1
    assert functions.log(name, "done") == ["done"]
    assert _records(s3, name) == []


def test_retries_can_be_switched_off(functions: Functions, s3: S3Server) -> None:
    name = functions.create()
    _to_s3(functions, name, MaximumRetryAttempts=0)
    functions.send(name, "import os; os._exit(1)")
    [record] = until(lambda: _records(s3, name))
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorType"] == "Runtime.ExitError"
    assert len(functions.log(name, '"START"')) == 1


def test_events_wait_for_their_turn(functions: Functions) -> None:
    name = functions.create()
    functions.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    for _ in range(10):
        functions.send(name, "import os; print('ran in', os.getpid())")
    until(lambda: len(functions.log(name, '"REPORT"')) == 10)
    assert len(set(functions.log(name, '"ran in"'))) == 1


@pytest.fixture
def clock() -> list[float]:
    """What a clock shows; it goes only when it is set."""
    return [0.0]


@pytest.fixture
def timed(s3: S3Server, clock: list[float]) -> Iterator[Functions]:
    """A service that goes by that clock."""
    environ = {"AWS_ACCESS_KEY_ID": s3.key.id, "AWS_SECRET_ACCESS_KEY": s3.key.secret}
    with LambdaLocal(s3_endpoint=s3.endpoint, environ=environ, clock=lambda: clock[0]) as service:
        yield Functions(service)


def test_an_event_that_gets_too_old_is_never_started(timed: Functions, clock: list[float], s3: S3Server) -> None:
    name = timed.create()
    _to_s3(timed, name, MaximumEventAgeInSeconds=60)
    timed.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    request = timed.send(name)
    clock[0] = 61.0
    timed.api.delete_function_concurrency(FunctionName=name)
    [record] = until(lambda: _records(s3, name))
    assert record["requestContext"]["requestId"] == request
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
    assert timed.log(name) == []
