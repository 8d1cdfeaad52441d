"""How AWS words it when a sandbox ends before its answer."""

from __future__ import annotations

import signal
from typing import Literal

from driver.lambda_local.invocation import Outcome, failure

#: Why a sandbox was killed; "" when it was not.
Cause = Literal["", "timeout", "init", "memory", "tmp", "fault", "closed"]

_FULL = (
    "lambda-local: there is more in /tmp than the function's size of it; on AWS the write itself fails with:"
    " No space left on device"
)
_SIGNALS = {signal.SIGKILL: "killed", signal.SIGTERM: "terminated", signal.SIGSEGV: "segmentation fault"}


def death(cause: Cause, status: int, request: str, seconds: float) -> tuple[Outcome, list[str]]:
    """The outcome of an invocation whose process ended, and what the log says.

    Args:
        cause: why it was killed.
        status: of the process; -N: it was ended by signal N.
        request: the invocation's id.
        seconds: that it was allowed, when it timed out.
    """
    if cause in {"timeout", "init"}:
        message = f"{'Task' if cause == 'timeout' else 'Init'} timed out after {seconds:.2f} seconds"
        outcome = failure("Sandbox.Timedout", f"RequestId: {request} Error: {message}", "timeout")
        return outcome, [f"{request} {message}"]
    how = f"exit status {status}" if status >= 0 else f"signal: {_SIGNALS.get(signal.Signals(-status), -status)}"
    message = f"RequestId: {request} Error: Runtime exited with error: {how}"
    kind = "Runtime.OutOfMemory" if cause == "memory" else "Runtime.ExitError"
    outcome = failure("Runtime.ExitError", message, f"error\tError Type: {kind}")
    return outcome, [_FULL, message] if cause == "tmp" else [message]
