"""How an invocation ended, in words, from what the service says of it."""

from __future__ import annotations

from typing import Any


def reason(answer: Any) -> str:
    """What ended an invocation.

    Args:
        answer: the payload of a function error, with `errorType` and `errorMessage`, as the service gives it to
            whoever invoked, and to the function's failure destination.
    """
    told = answer if isinstance(answer, dict) else {"errorMessage": str(answer)}
    kind, message = str(told.get("errorType") or ""), str(told.get("errorMessage") or "")
    if kind == "AttemptLost":
        return message
    if kind == "Sandbox.Timedout" or "Task timed out" in message:
        return f"timed out: the service ended its sandbox without a word from the worker ({message})"
    if kind == "Runtime.OutOfMemory" or "signal: killed" in message:
        return f"its sandbox was killed, as the service does when memory runs out ({message})"
    if kind.startswith("Runtime."):
        return f"its sandbox died ({kind}: {message})"
    return f"{kind}: {message}" if kind else message or "the function failed, and the service does not say why"
