"""Invoking a function through trouble: a server that answers by a script, and a clock that runs by waiting."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

import pytest

from driver.executors.lambda_.reasons import reason
from driver.executors.lambda_.service import Lost, Refused, Service
from mapreduce import ConfigError, JobError
from tests.services.s3_servers import Key, free_ports, use

pytestmark = pytest.mark.process


class Said(NamedTuple):
    """An answer of the server: status, code of an error or body, headers."""

    status: int
    code: str = ""
    body: Any = None
    error: str = ""
    broken: bool = False


class Script:
    """What the server answers, one after the other; the last one again and again."""

    def __init__(self) -> None:
        self.answers: deque[Said] = deque()
        self.asked: list[tuple[str, bytes]] = []

    def next(self) -> Said:
        return self.answers.popleft() if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """The script of a server that the environment names."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            script.asked.append((self.headers["X-Amz-Invocation-Type"], body))
            said = script.next()
            if said.broken:
                self.connection.close()
                return
            data = json.dumps(said.body if not said.code else {"Message": "because"}).encode()
            self.send_response(said.status)
            self.send_header("Content-Length", str(len(data)))
            if said.code:
                self.send_header("x-amzn-ErrorType", said.code)
            if said.error:
                self.send_header("X-Amz-Function-Error", said.error)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    use(Key("ID", "secret"), monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_address[1]}")
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    """A clock that runs by waiting, and the pauses that were made."""

    def __init__(self) -> None:
        self.now = 0.0
        self.most: list[float] = []

    def uniform(self, low: float, high: float) -> float:
        self.most.append(high)
        return high

    def pause(self, seconds: float) -> bool:
        self.now += seconds
        return True


def opened(clock: Clock) -> tuple[Service, list[str]]:
    told: list[str] = []
    service = Service("f", clock=lambda: clock.now, uniform=clock.uniform)
    service.tell = told.append
    service.open()
    return service, told


@pytest.mark.parametrize(
    "trouble",
    [
        Said(429, "TooManyRequestsException"),
        Said(500, "ServiceException"),
        Said(502, "EC2ThrottledException"),
        Said(503, "whatever"),
        Said(403, "ExpiredTokenException"),
        Said(200, broken=True),
    ],
    ids=lambda said: said.code or "broken",
)
def test_trouble_that_passes(script: Script, trouble: Said) -> None:
    """An event is handed over again, with pauses that grow, until the service takes it."""
    script.answers.extend([trouble] * 4 + [Said(202)])
    clock = Clock()
    service, told = opened(clock)
    assert service.invoke(b'{"some": "event"}', "event", clock.pause).error == ""
    assert clock.most == [0.1, 0.2, 0.4, 0.8]
    assert script.asked == [("Event", b'{"some": "event"}')] * 5
    assert told == []


def test_trouble_that_stays(script: Script) -> None:
    """Who waits for long is told once; after half an hour it is given up."""
    script.answers.append(Said(429, "TooManyRequestsException"))
    clock = Clock()
    service, told = opened(clock)
    with pytest.raises(Refused, match=r"could not be started for 18\d\d s: the function f is invoked faster"):
        service.invoke(b"{}", "event", clock.pause)
    [text] = told
    assert text.endswith("trying again for up to 30 minutes")


def test_nobody_wants_it_any_more(script: Script) -> None:
    """A job that is cancelled does not wait."""
    script.answers.append(Said(429, "TooManyRequestsException"))
    service, _ = opened(Clock())
    with pytest.raises(Refused, match="not started any more"):
        service.invoke(b"{}", "event", lambda seconds: False)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        (Said(404, "ResourceNotFoundException"), ConfigError, "no 'f': run `mapreduce deploy`"),
        (Said(403, "AccessDeniedException"), ConfigError, r"may not invoke 'f' .*lambda:InvokeFunction"),
        (Said(413, "RequestTooLargeException"), Refused, "refuses the event: RequestTooLargeException"),
    ],
    ids=lambda value: value.code if isinstance(value, Said) else None,
)
def test_what_does_not_pass(script: Script, said: Said, error: type[Exception], told: str) -> None:
    """It is not tried again, and the error says what to do."""
    script.answers.append(said)
    service, _ = opened(Clock())
    with pytest.raises(error, match=told):
        service.invoke(b"{}", "event")
    assert len(script.asked) == 1


def test_a_connection_that_breaks_while_it_waits(script: Script) -> None:
    """A request that was sent is not sent again: it may be running."""
    script.answers.append(Said(200, broken=True))
    service, _ = opened(Clock())
    with pytest.raises(Lost):
        service.invoke(b"{}", "request")
    assert len(script.asked) == 1


def test_no_network(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be sent is sent again, a request too."""
    [port] = free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
    clock = Clock()
    service, told = opened(clock)
    with pytest.raises(Refused, match="AWS Lambda cannot be reached"):
        service.invoke(b"{}", "request", clock.pause)
    assert len(told) == 1


def test_a_look_is_impatient(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants to know before a job begins is told soon: nobody watches over the wait yet."""
    script.answers.append(Said(429, "TooManyRequestsException"))
    clock = Clock()
    service, _ = opened(clock)
    with pytest.raises(JobError, match=r"f cannot be used: it could not be started for 6\d s: .* faster than"):
        service.describe(clock.pause)
    [port] = free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
    clock = Clock()
    service, _ = opened(clock)
    with pytest.raises(JobError, match=r"for 1\d s: AWS Lambda cannot be reached .*check the network and the setting"):
        service.describe(clock.pause)


def test_answers(script: Script) -> None:
    """A request gives what the function returned, or how it ended."""
    script.answers.extend(
        [
            Said(200, body={"outcome": "committed"}),
            Said(200, body={"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"}, error="Unhandled"),
        ]
    )
    service, _ = opened(Clock())
    assert service.invoke(b"{}", "request") == ({"outcome": "committed"}, "")
    assert service.invoke(b"{}", "request").error.startswith("timed out: ")


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        ("AttemptLost", "StoreError: no", "StoreError: no"),
        ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 3.00 seconds", "timed out: "),
        ("", "2026-01-01 Task timed out after 3.00 seconds", "timed out: "),
        (
            "Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: signal: killed",
            "its sandbox was killed",
        ),
        ("Runtime.OutOfMemory", "", "its sandbox was killed, as the service does when memory runs out"),
        ("Runtime.ExitError", "RequestId: 1 Error: Runtime exited with error: exit status 1", "its sandbox died"),
        ("ValueError", "no", "ValueError: no"),
        ("", "", "the function failed, and the service does not say why"),
    ],
)
def test_reasons(kind: str, message: str, told: str) -> None:
    """How an invocation ended, in the words of attempts."""
    assert reason({"errorType": kind, "errorMessage": message}).startswith(told)
