"""Functions for the tests of the Lambda service, and the real client that calls them."""

from __future__ import annotations

import base64
import io
import itertools
import json
import threading
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from driver.lambda_local import RUNTIME, LambdaLocal

#: Runs the code that the event has, and returns what it calls `answer`.
SOURCE = """
def handle(event, context):
    scope = {"event": event, "context": context}
    exec(event["run"], scope)
    return scope.get("answer")
"""
#: Code that answers with the sandbox's process.
PID = "import os; answer = os.getpid()"
#: Code that fails.
FAIL = "raise ValueError('as asked')"

_numbers = itertools.count()
_pause = threading.Event()


class Answer(NamedTuple):
    """What came back of an invocation."""

    value: Any
    failed: bool
    log: list[str]
    request: str


def zipped(**sources: str) -> bytes:
    """A zip file of modules."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, source in sources.items():
            archive.writestr(f"{name}.py", source)
    return file.getvalue()


def client(service: LambdaLocal, name: str = "lambda", read_timeout: float = 60) -> Any:
    """A client of boto3, for Lambda or logs, that does not try again."""
    config = Config(
        connect_timeout=5, read_timeout=read_timeout, retries={"total_max_attempts": 1}, max_pool_connections=128
    )
    return boto3.client(
        name,  # type: ignore[call-overload, unused-ignore]
        endpoint_url=service.url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=config,
    )


class Functions:
    """Makes and calls functions of a service.

    Attributes:
        api: the client for Lambda.
        logs: the client for CloudWatch Logs.
    """

    def __init__(self, service: LambdaLocal) -> None:
        self.service = service
        self.api = client(service)
        self.logs = client(service, "logs")

    def create(self, source: str = SOURCE, **settings: Any) -> str:
        """A new function; returns its name."""
        name = f"function-{next(_numbers)}"
        given: dict[str, Any] = {
            "Runtime": RUNTIME,
            "Handler": "app.handle",
            "Role": "arn:aws:iam::000000000000:role/any",
            "Code": {"ZipFile": zipped(app=source)},
            "Timeout": 60,
        }
        self.api.create_function(FunctionName=name, **{**given, **settings})
        return name

    def call(self, name: str, run: str = PID, **event: Any) -> Answer:
        """Have a function run code; waits for its answer."""
        payload = json.dumps({"run": run, **event})
        answer = self.api.invoke(FunctionName=name, Payload=payload, LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode().splitlines()
        request = answer["ResponseMetadata"]["RequestId"]
        return Answer(json.loads(answer["Payload"].read()), "FunctionError" in answer, log, request)

    def send(self, name: str, run: str = PID, **event: Any) -> str:
        """Send an asynchronous event; returns its request id."""
        payload = json.dumps({"run": run, **event})
        answer = self.api.invoke(FunctionName=name, Payload=payload, InvocationType="Event")
        assert answer["StatusCode"] == 202
        return str(answer["ResponseMetadata"]["RequestId"])

    def log(self, name: str, pattern: str = "") -> list[str]:
        """The messages of a function's log that have `pattern` in them."""
        if not self.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]:
            return []
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{name}", filterPattern=pattern
        )
        return [event["message"] for page in pages for event in page["events"]]


def until(what: Callable[[], Any], patience: float = 60.0) -> Any:
    """Wait until something is true; returns it."""
    for _ in range(round(patience / 0.02)):
        if found := what():
            return found
        _pause.wait(0.02)
    raise AssertionError("it did not happen")
