"""An invocation, and what comes of it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from driver.lambda_local.faults import Fault
from driver.lambda_local.functions import Function

#: Bytes of a payload, at most: of a request that waits for its response, and of that response.
PAYLOAD = 6 * 1024 * 1024
#: Bytes of a payload, at most, of an asynchronous event.
EVENT_PAYLOAD = 1024 * 1024


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
        fault: what goes wrong in the sandbox; None: nothing.
    """

    function: Function
    payload: bytes
    context: str = ""
    id: str = field(default_factory=new_request_id)
    fault: Fault | None = None


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
