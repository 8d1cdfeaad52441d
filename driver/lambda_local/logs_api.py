"""The logs, as CloudWatch Logs answers."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

from driver.lambda_local.errors import Refusal
from driver.lambda_local.logs import Event, Logs


def answer_logs(logs: Logs, target: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer a request; `target` names the operation.

    Raises:
        Refusal: there is no such operation, group or stream, or a pattern that is not understood.
    """
    operation = target.rpartition(".")[2]
    if operation not in _OPERATIONS:
        known = ", ".join(sorted(_OPERATIONS))
        raise Refusal("NotImplementedException", 501, f"Of CloudWatch Logs this service has {known}, not {target!r}.")
    return _OPERATIONS[operation](logs, asked)


def _filter(logs: Logs, asked: dict[str, Any]) -> dict[str, Any]:
    group, wanted, prefix = _group(asked), asked.get("logStreamNames"), asked.get("logStreamNamePrefix", "")
    streams = [name for name in logs.streams(group) if name.startswith(prefix) and (wanted is None or name in wanted)]
    meant = _pattern(asked.get("filterPattern", ""))
    found = [event for event in _between(logs, group, streams, asked) if meant(event.message)]
    start = int(asked.get("nextToken") or 0)
    end = start + int(asked.get("limit", 10_000))
    answer: dict[str, Any] = {
        "events": [
            {
                "logStreamName": event.stream,
                "timestamp": event.time,
                "ingestionTime": event.time,
                "message": event.message,
                "eventId": f"{number:056}",
            }
            for number, event in enumerate(found[start:end], start)
        ],
        "searchedLogStreams": [],
    }
    return answer | {"nextToken": str(end)} if end < len(found) else answer


def _describe_streams(logs: Logs, asked: dict[str, Any]) -> dict[str, Any]:
    group, prefix = _group(asked), asked.get("logStreamNamePrefix", "")
    streams: list[dict[str, Any]] = []
    for name in logs.streams(group):
        if name.startswith(prefix) and (events := logs.events(group, name)):
            first, last = events[0].time, events[-1].time
            streams.append(
                {
                    "logStreamName": name,
                    "creationTime": first,
                    "firstEventTimestamp": first,
                    "lastEventTimestamp": last,
                    "lastIngestionTime": last,
                    "arn": f"arn:aws:logs:::log-group:{group}:log-stream:{name}",
                }
            )
    by = "lastEventTimestamp" if asked.get("orderBy") == "LastEventTime" else "logStreamName"
    streams.sort(key=lambda stream: stream[by], reverse=bool(asked.get("descending")))
    return _page("logStreams", streams, asked)


def _describe_groups(logs: Logs, asked: dict[str, Any]) -> dict[str, Any]:
    prefix = asked.get("logGroupNamePrefix", "")
    groups = [
        {"logGroupName": name, "arn": f"arn:aws:logs:::log-group:{name}:*"}
        for name in logs.groups()
        if name.startswith(prefix)
    ]
    return _page("logGroups", groups, asked)


def _get(logs: Logs, asked: dict[str, Any]) -> dict[str, Any]:
    group, stream = _group(asked), asked.get("logStreamName", "")
    if stream not in logs.streams(group):
        raise Refusal("ResourceNotFoundException", 400, "The specified log stream does not exist.")
    events = _between(logs, group, [stream], asked)
    limit = int(asked.get("limit", 10_000))
    where = asked.get("nextToken") or ("f/0" if asked.get("startFromHead") else f"b/{len(events)}")
    way, _, place = where.partition("/")
    start = int(place) if way == "f" else max(0, int(place) - limit)
    end = min(start + limit, len(events)) if way == "f" else int(place)
    return {
        "events": [
            {"timestamp": event.time, "ingestionTime": event.time, "message": event.message}
            for event in events[start:end]
        ],
        "nextForwardToken": f"f/{end}",
        "nextBackwardToken": f"b/{start}",
    }


def _delete_group(logs: Logs, asked: dict[str, Any]) -> dict[str, Any]:
    logs.delete(_group(asked))
    return {}


def _group(asked: dict[str, Any]) -> str:
    """The group's name, also if its ARN is given."""
    name = str(asked.get("logGroupName") or asked.get("logGroupIdentifier", ""))
    return name.partition(":log-group:")[2].removesuffix(":*") if name.startswith("arn:") else name


def _between(logs: Logs, group: str, streams: list[str], asked: dict[str, Any]) -> list[Event]:
    start, end = asked.get("startTime", 0), asked.get("endTime", float("inf"))
    events = [event for name in streams for event in logs.events(group, name) if start <= event.time <= end]
    return sorted(events, key=lambda event: event.time)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """The filter that a pattern of words and quoted text describes: all must occur, none after a minus."""
    if pattern.lstrip().startswith(("{", "[", "%")) or "?" in pattern:
        message = f"Filter patterns here are words and quoted text, not {pattern!r}."
        raise Refusal("InvalidParameterException", 400, message)
    try:
        words = shlex.split(pattern)
    except ValueError as error:
        raise Refusal("InvalidParameterException", 400, f"Invalid filter pattern {pattern!r}: {error}") from None
    return lambda message: all(
        word[1:] not in message if word.startswith("-") and len(word) > 1 else word in message for word in words
    )


def _page(what: str, items: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    start = int(asked.get("nextToken") or 0)
    end = start + int(asked.get("limit", 50))
    answer: dict[str, Any] = {what: items[start:end]}
    return answer | {"nextToken": str(end)} if end < len(items) else answer


_OPERATIONS: dict[str, Callable[[Logs, dict[str, Any]], dict[str, Any]]] = {
    "DeleteLogGroup": _delete_group,
    "DescribeLogGroups": _describe_groups,
    "DescribeLogStreams": _describe_streams,
    "FilterLogEvents": _filter,
    "GetLogEvents": _get,
}
