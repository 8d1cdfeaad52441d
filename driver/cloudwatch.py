"""What attempts on AWS Lambda have printed, as CloudWatch Logs keeps it.

A function's log has the lines of one invocation after the other. The handler begins each by a line
"mapreduce <job>/<round>/<task>.<attempt> start"; the service ends it by a line "REPORT RequestId: ...".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from driver.logs import Wanted
from mapreduce.errors import StoreError
from mapreduce.objectstore import Access

_END = "REPORT RequestId"
# Lines of one attempt that are fetched, at most.
_MOST = 10_000
# Answers without a line, one after the other, that tell the end; the service gives such where lines follow, too.
_EMPTY = 5


class Printed(NamedTuple):
    """A line of an attempt's log; `at` is in milliseconds since the epoch."""

    round: int
    task: int
    attempt: int
    at: int
    text: str


def printed(job: str, wanted: Wanted, function: str, access: Access, region: str = "") -> Iterator[Printed]:
    """The lines of a job's attempts, attempt by attempt, in the order of their starts.

    Args:
        job: its id.
        wanted: which tasks.
        function: name or ARN of the function.
        access: how AWS is reached: the profile of it.
        region: of the function; "" for what AWS's configuration says.

    Raises:
        StoreError: the logs cannot be read.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    group = log_group(function)
    try:
        client = _client(access, region)
        for start in _starts(client, group, job):
            place = _place(start["message"], job)
            if place is not None and wanted.has(*place[:2]):
                for event in _lines(client, group, start):
                    yield Printed(*place, event["timestamp"], event["message"].rstrip("\n"))
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"cannot read the log group {group} of CloudWatch: {error}") from error


def log_group(function: str) -> str:
    """The log group of a function, given by its name or ARN."""
    name = function.partition(":function:")[2] or function
    return f"/aws/lambda/{name.partition(':')[0]}"


def _client(access: Access, region: str) -> Any:
    import boto3

    return boto3.Session(profile_name=access.profile or None, region_name=region or None).client("logs")


def _starts(client: Any, group: str, job: str) -> Iterator[dict[str, Any]]:
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=f'"mapreduce {job}/"')
    found = [event for page in pages for event in page["events"]]
    yield from sorted(found, key=lambda event: (event["timestamp"], event["logStreamName"]))


def _place(message: str, job: str) -> tuple[int, int, int] | None:
    """Round, task and attempt that a start line names."""
    words = message.split()
    if len(words) != 3 or words[0] != "mapreduce" or words[2] != "start":
        return None
    name, _, attempt = words[1].rpartition(".")
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != job or not all(part.isdecimal() for part in (*parts[1:], attempt)):
        return None
    return int(parts[1]), int(parts[2]), int(attempt)


def _lines(client: Any, group: str, start: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was printed in an invocation, from its start line on."""
    more: dict[str, str] = {}
    begun = False
    left, empty = _MOST, 0
    while left > 0:
        page = client.get_log_events(
            logGroupName=group,
            logStreamName=start["logStreamName"],
            startTime=start["timestamp"],
            startFromHead=True,
            **more,
        )
        for event in page["events"]:
            if not begun:  # lines of the same millisecond
                begun = event["message"].strip() == start["message"].strip()
                continue
            if event["message"].startswith((_END, "START RequestId")):
                return
            if not event["message"].startswith("END RequestId"):
                yield event
            left -= 1
        empty = 0 if page["events"] else empty + 1
        if empty == _EMPTY or page["nextForwardToken"] == more.get("nextToken"):
            return
        more = {"nextToken": page["nextForwardToken"]}
