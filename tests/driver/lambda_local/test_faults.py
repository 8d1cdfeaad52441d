from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from driver.lambda_local import Fault
from driver.lambda_local.faults import Faults, parse_faults
from mapreduce.errors import ConfigError
from tests.driver.lambda_local.calls import Functions, client, until


def _maps(payload: Any) -> bool:
    return bool(payload["task"].startswith("map"))


def _reduces(payload: Any) -> bool:
    return not _maps(payload)


@given(st.integers(1, 6), st.integers(0, 4), st.lists(st.sampled_from(["meant", "other"]), max_size=20))
def test_a_rule_counts_what_it_matches(first: int, times: int, names: list[str]) -> None:
    faults = Faults([Fault(do="throttle", function="meant", first=first, times=times)])
    happened = [faults.at_door(name, b"{}") is not None for name in names]
    meant = [number for number, name in enumerate(names) if name == "meant"]
    due = meant[first - 1 :] if times == 0 else meant[first - 1 : first - 1 + times]
    assert [number for number, one in enumerate(happened) if one] == due


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"payload": {"task": "map-3"}}, True),
        ({"payload": {"task": "map-4"}}, False),
        ({"payload": {"attempt": {"number": 1}}}, True),
        ({"payload": {"attempt": {"other": 1}}}, False),
        ({"payload": {"list": [1, 2]}}, True),
        ({"payload": {"list": [1]}}, False),
        ({"contains": "map-3"}, True),
        ({"contains": "map-4"}, False),
        ({"when": _maps}, True),
        ({"when": _reduces}, False),
        ({"function": "f"}, True),
        ({"function": "g"}, False),
    ],
    ids=map(str, range(12)),
)
def test_a_rule_matches_by_name_and_payload(rule: dict[str, Any], matches: bool) -> None:
    payload = json.dumps({"task": "map-3", "attempt": {"number": 1, "job": "x"}, "list": [1, 2]}).encode()
    assert (Faults([Fault(do="drop", **rule)]).at_door("f", payload) is not None) == matches


def test_of_several_rules_the_first_happens_and_all_count() -> None:
    faults = Faults([Fault(do="drop", first=2), Fault(do="hang", times=0), Fault(do="kill", times=0)])
    assert [fault and fault.do for fault in (faults.at_door("f", b"{}") for _ in range(3))] == ["hang", "drop", "hang"]
    assert [rule["seen"] for rule in faults.described()] == [3, 3, 0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "list of JSON objects"),
        ("{}", "list of JSON objects"),
        ("[1]", "list of JSON objects"),
        ('[{"do": "explode"}]', "'explode' is none of drop"),
        ('[{"do": "kill", "after": 1}]', "no 'after'"),
        ('[{"do": "kill", "seen": 1}]', "no 'seen'"),
        ('[{"do": "kill", "seconds": "1"}]', "seconds is a number"),
        ('[{"do": "kill", "first": 0}]', "first is 1 or more"),
    ],
)
def test_a_script_that_makes_no_sense_is_refused(text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"faults.json: .*{what}"):
        parse_faults(text, "faults.json")


@pytest.mark.process
class TestInTheService:
    def test_throttling_and_errors(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(
            Fault(do="throttle", function=name, times=2), Fault(do="error", function=name, first=3)
        )
        for _ in range(2):
            with pytest.raises(functions.api.exceptions.TooManyRequestsException) as refused:
                functions.send(name)
            assert refused.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        with pytest.raises(functions.api.exceptions.ServiceException) as failed:
            functions.call(name)
        assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert not functions.call(name).failed

    def test_a_dropped_event_is_accepted_and_never_starts(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="drop", function=name, contains="lost"))
        functions.send(name, "print('lost')")
        functions.send(name, "print('found')")
        until(lambda: functions.log(name, "REPORT"))
        assert functions.log(name, "lost") == []

    def test_an_event_is_delivered_several_times_with_one_id(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="duplicate", function=name, copies=3))
        request = functions.send(name)
        until(lambda: len(functions.log(name, f'"REPORT RequestId: {request}"')) == 3)

    def test_an_event_is_held_until_others_have_ended(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="delay", function=name, until=2))
        late = functions.send(name)
        others = [functions.call(name).request for _ in range(2)]
        until(lambda: len(functions.log(name, '"REPORT"')) == 3)
        started = [line.split()[2] for line in functions.log(name, '"START"')]
        assert started == [*others, late]

    def test_a_request_that_waits_is_held_too(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="delay", function=name, until=1, contains="late"))
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(functions.call, name, "answer = 'late'")
            until(lambda: functions.service.faults.described()[0]["done"])
            early = functions.call(name, "answer = 'soon'")
            assert late.result().value == "late"
        started = [line.split()[2] for line in functions.log(name, '"START"')]
        assert started == [early.request, late.result().request]

    def test_an_answer_that_never_comes(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="hang", function=name))
        impatient = client(functions.service, read_timeout=1)
        with pytest.raises(ReadTimeoutError):
            impatient.invoke(FunctionName=name, Payload=json.dumps({"run": "print('it ran')"}))
        assert functions.log(name, '"it ran"')

    @pytest.mark.parametrize(
        ("fault", "ran", "went_on"),
        [
            ({"point": "start"}, False, False),
            ({"point": "response"}, True, True),
            ({"point": "half way"}, True, False),
            ({"seconds": 0.2}, True, False),
        ],
        ids=["start", "response", "half-way", "moment"],
    )
    def test_a_sandbox_is_killed_at_a_point(
        self, functions: Functions, fault: dict[str, Any], ran: bool, went_on: bool
    ) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="kill", function=name, **fault))
        wait = "" if went_on else "__import__('time').sleep(1000); "
        answer = functions.call(name, f"print('half way'); {wait}print('all of it')")
        assert answer.failed
        assert "signal: killed" in answer.value["errorMessage"]
        assert ("half way" in answer.log) == ran
        assert ("all of it" in answer.log) == went_on
        assert not functions.call(name).failed

    def test_an_event_whose_sandbox_was_killed_is_tried_again(self, functions: Functions) -> None:
        name = functions.create()
        functions.service.faults.add(Fault(do="kill", function=name, point="start"))
        functions.send(name, "print('at last')")
        until(lambda: functions.log(name, '"at last"'))
        assert len(functions.log(name, '"START"')) == 2

    def test_the_script_is_changed_over_http(self, functions: Functions) -> None:
        name = functions.create()
        url = f"{functions.service.url}/lambda-local/faults"
        script = json.dumps([{"do": "error", "function": name}]).encode()
        with urllib.request.urlopen(urllib.request.Request(url, script)):
            pass
        with pytest.raises(functions.api.exceptions.ServiceException):
            functions.call(name)
        with urllib.request.urlopen(url) as told:
            assert [(rule["do"], rule["done"]) for rule in json.load(told)] == [("error", 1)]
        with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as told:
            assert json.load(told) == []
        assert not functions.call(name).failed

    def test_a_script_over_http_that_makes_no_sense_is_refused(self, functions: Functions) -> None:
        request = urllib.request.Request(f"{functions.service.url}/lambda-local/faults", b"{}")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request)
