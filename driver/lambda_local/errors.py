"""What the service refuses, in AWS's words and shape."""

from __future__ import annotations

from typing import Any

#: The status of a refusal that says: later.
THROTTLED = 429


class Refusal(Exception):
    """An error that a client gets, with the status, the name and the members that AWS gives it."""

    def __init__(self, name: str, status: int, message: str, **members: Any) -> None:
        super().__init__(message)
        self.name = name
        self.status = status
        # boto3 looks for either spelling, and so does AWS write either.
        self.body = {"Type": "User" if status < 500 else "Service", "message": message, "Message": message, **members}


def not_found(what: str) -> Refusal:
    """There is no such thing; `what` says which."""
    return Refusal("ResourceNotFoundException", 404, what)


def conflict(message: str) -> Refusal:
    """What is there already forbids it."""
    return Refusal("ResourceConflictException", 409, message)


def invalid(message: str) -> Refusal:
    """A parameter has an unusable value."""
    return Refusal("InvalidParameterValueException", 400, message)


def throttled(reason: str) -> Refusal:
    """There are too many invocations at once; `reason` is one of AWS's words for which limit it is."""
    return Refusal("TooManyRequestsException", THROTTLED, "Rate Exceeded.", Reason=reason)
