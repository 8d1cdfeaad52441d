"""An invocation, and what comes of it."""

from __future__ import annotations

import json
import math
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from driver.lambda_local.functions import Function

MB = 1024 * 1024
#: Bytes of a payload, at most: of a request that waits for its response, and of that response.
PAYLOAD = 6 * MB
#: Bytes of a payload, at most, of an asynchronous event.
EVENT_PAYLOAD = MB


def new_request_id() -> str:
    """A name for an invocation; an event keeps it through all its attempts."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Invocation:
    """One delivery to a sandbox.

    Attributes:
        function: what is invoked.
        payload: JSON.
        context: the client's context, JSON.
        id: the request id.
    """

    function: Function
    payload: bytes
    context: str = ""
    id: str = field(default_factory=new_request_id)


class Outcome(NamedTuple):
    """What came of an invocation.

    Attributes:
        payload: the response, or what AWS says in its stead.
        failed: whether the function failed.
        status: for the log's REPORT line: "" or a reason, as "timeout".
        log: the end of what was logged.
    """

    payload: bytes
    failed: bool = False
    status: str = ""
    log: bytes = b""


def failure(kind: str, message: str, status: str) -> Outcome:
    """What AWS answers for a function that could not answer itself."""
    answer: dict[str, Any] = {"errorType": kind, "errorMessage": message}
    return Outcome(json.dumps(answer).encode(), failed=True, status=status)


def report(request: str, status: str, *, seconds: float, init: float, used: int, memory: int) -> str:
    """The log's REPORT line, of times in seconds and sizes in bytes; `init` is 0 in a warm sandbox."""
    parts = [
        f"REPORT RequestId: {request}",
        f"Duration: {seconds * 1000:.2f} ms",
        f"Billed Duration: {math.ceil((seconds + init) * 1000)} ms",
        f"Memory Size: {memory // MB} MB",
        f"Max Memory Used: {math.ceil(used / MB)} MB",
    ]
    if init:
        parts.append(f"Init Duration: {init * 1000:.2f} ms")
    if status:
        parts.append(f"Status: {status}")
    return "\t".join(parts) + "\t"
