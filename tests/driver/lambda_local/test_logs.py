from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from driver.lambda_local import LambdaLocal
from driver.lambda_local.errors import Refusal
from driver.lambda_local.logs import Logs
from driver.lambda_local.logs_api import answer_logs
from tests.driver.lambda_local.calls import FAIL, Functions

GROUP = "/aws/lambda/f"


@pytest.mark.process
def test_an_invocation_is_logged_as_on_aws(functions: Functions) -> None:
    name = functions.create(MemorySize=192)
    first, second = functions.call(name, "print('one\\ntwo')"), functions.call(name, "")
    start, one, two, end, report = first.log
    assert (one, two) == ("one", "two")
    assert start == f"START RequestId: {first.request} Version: $LATEST"
    assert end == f"END RequestId: {first.request}"
    number = r"\d+(\.\d\d)? ms"
    expected = (
        f"REPORT RequestId: {first.request}\tDuration: {number}\tBilled Duration: {number}\tMemory Size: 192 MB"
        rf"\tMax Memory Used: \d+ MB(\tInit Duration: {number})?" + "\t"
    )
    found, again = re.fullmatch(expected, report), re.search("Init Duration", second.log[-1])
    assert found is not None
    assert found[3] is not None
    assert again is None
    assert functions.log(name) == [*first.log, *second.log]


@pytest.mark.process
def test_what_is_printed_while_a_module_is_imported_is_logged(functions: Functions) -> None:
    name = functions.create("print('at import')\ndef handle(event, context): print('in the handler')")
    assert functions.call(name).log[:3][0::2] == ["at import", "in the handler"]


@pytest.mark.process
def test_an_exception_is_one_event(functions: Functions) -> None:
    name = functions.create()
    functions.call(name, FAIL)
    [message] = functions.log(name, "ValueError")
    assert message.startswith("[ERROR] ValueError: as asked\nTraceback (most recent call last):\n")


@pytest.mark.process
def test_the_tail_has_four_kilobytes(functions: Functions) -> None:
    import base64

    name = functions.create()
    payload = b'{"run": "print(\'x\' * 10_000)"}'
    answer = functions.api.invoke(FunctionName=name, Payload=payload, LogType="Tail")
    assert len(base64.b64decode(answer["LogResult"])) == 4096
    assert "LogResult" not in functions.api.invoke(FunctionName=name, Payload=payload)


@pytest.mark.process
def test_the_real_client_reads_groups_streams_and_events(functions: Functions) -> None:
    name = functions.create()
    group = f"/aws/lambda/{name}"
    logged = functions.call(name, "print('here')").log
    groups = functions.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [one["logGroupName"] for one in groups] == [group]
    [stream] = functions.logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])
    told = functions.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
    assert [event["message"] for event in told["events"]] == logged
    assert stream["firstEventTimestamp"] <= told["events"][1]["timestamp"] <= stream["lastEventTimestamp"]
    functions.logs.delete_log_group(logGroupName=group)
    with pytest.raises(functions.logs.exceptions.ResourceNotFoundException):
        functions.logs.filter_log_events(logGroupName=group)


@pytest.mark.process
def test_logs_stay_in_a_folder_that_was_named(tmp_path: Path) -> None:
    with LambdaLocal(logs=tmp_path) as service:
        functions = Functions(service)
        name = functions.create()
        request = functions.call(name, "print('kept')").request
    [file] = (tmp_path / name).rglob("*.log")
    assert file.stem.endswith(request)
    assert " kept\n" in file.read_text()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """Two streams, with two invocations each of five messages."""
    logs = Logs(str(tmp_path))
    for sandbox in ("a", "b"):
        stream = logs.stream("f", sandbox)
        for request in range(2):
            stream.begin(f"{request}")
            for number in range(5):
                stream.write(f"{sandbox}{request} message {number}")
            stream.end()
    return logs


def _ask(logs: Logs, operation: str, **asked: Any) -> dict[str, Any]:
    return answer_logs(logs, f"Logs_20140328.{operation}", {"logGroupName": GROUP, **asked})


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 100])
def test_pages_have_every_event_once(logs: Logs, limit: int) -> None:
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = _ask(logs, "FilterLogEvents", limit=limit, **token)
        assert len(page["events"]) <= limit
        seen += [event["message"] for event in page["events"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert sorted(seen) == sorted(f"{s}{r} message {n}" for s in "ab" for r in range(2) for n in range(5))


def test_a_stream_is_read_from_either_end(logs: Logs) -> None:
    stream = logs.streams(GROUP)[0]
    whole = [event.message for event in logs.events(GROUP, stream)]
    last = _ask(logs, "GetLogEvents", logStreamName=stream, limit=4)
    assert [event["message"] for event in last["events"]] == whole[-4:]
    before = _ask(logs, "GetLogEvents", logStreamName=stream, limit=4, nextToken=last["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == whole[-8:-4]
    first = _ask(logs, "GetLogEvents", logStreamName=stream, limit=8, startFromHead=True)
    rest = _ask(logs, "GetLogEvents", logStreamName=stream, limit=8, nextToken=first["nextForwardToken"])
    assert [event["message"] for event in first["events"] + rest["events"]] == whole
    end = _ask(logs, "GetLogEvents", logStreamName=stream, nextToken=rest["nextForwardToken"])
    assert (end["events"], end["nextForwardToken"]) == ([], rest["nextForwardToken"])


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("", 20), ("a0", 5), ("message 3", 4), ('"message 3"', 4), ('"3 message"', 0), ("message -a1", 15)],
)
def test_a_pattern_is_words_and_quoted_text(logs: Logs, pattern: str, count: int) -> None:
    assert len(_ask(logs, "FilterLogEvents", filterPattern=pattern)["events"]) == count


@pytest.mark.parametrize("pattern", ["{ $.level = 3 }", "[a, b]", "?one ?two", '"open'])
def test_other_patterns_are_refused(logs: Logs, pattern: str) -> None:
    with pytest.raises(Refusal, match="pattern"):
        _ask(logs, "FilterLogEvents", filterPattern=pattern)


def test_events_of_some_streams_and_times(logs: Logs) -> None:
    stream = logs.streams(GROUP)[1]
    events = _ask(logs, "FilterLogEvents", logStreamNames=[stream])["events"]
    assert {event["logStreamName"] for event in events} == {stream}
    assert len(events) == 10
    last = events[-1]["timestamp"]
    assert _ask(logs, "FilterLogEvents", startTime=last + 1)["events"] == []
    assert len(_ask(logs, "FilterLogEvents", endTime=last + 1000)["events"]) == 20


def test_streams_come_in_pages_and_in_order(logs: Logs) -> None:
    first = _ask(logs, "DescribeLogStreams", limit=1, descending=True)
    second = _ask(logs, "DescribeLogStreams", limit=1, descending=True, nextToken=first["nextToken"])
    names = [page["logStreams"][0]["logStreamName"] for page in (first, second)]
    assert names == logs.streams(GROUP)[::-1]
    assert "nextToken" not in second


def test_a_group_or_stream_that_is_not_there_is_refused(logs: Logs) -> None:
    for operation, asked in [
        ("FilterLogEvents", {"logGroupName": "/aws/lambda/g"}),
        ("GetLogEvents", {"logStreamName": "none"}),
    ]:
        with pytest.raises(Refusal, match="does not exist") as refused:
            _ask(logs, operation, **asked)
        assert refused.value.name == "ResourceNotFoundException"


@pytest.mark.process
def test_an_unknown_stream_is_what_the_real_client_raises(functions: Functions) -> None:
    name = functions.create()
    functions.call(name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        functions.logs.get_log_events(logGroupName=f"/aws/lambda/{name}", logStreamName="none")
