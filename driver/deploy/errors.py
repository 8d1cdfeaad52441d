"""What goes wrong between here and the account."""

from __future__ import annotations

from mapreduce.errors import MapReduceError


class DeployError(MapReduceError):
    """The function cannot be deployed, looked at or removed; the message says why, and what to do."""


class AwsError(DeployError):
    """A service refused a request, or could not be reached.

    Attributes:
        code: the service's code of the refusal, or the name of what went wrong on the way.
        reason: the service's own message.
    """

    def __init__(self, message: str, code: str, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
