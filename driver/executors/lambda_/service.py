"""The Lambda service: invoking a function, again and again where the trouble passes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from driver.executors.lambda_.reasons import reason
from mapreduce.errors import ConfigError, JobError

#: How to invoke: by "event" the service takes note, by "request" it answers when the function has ended; a "look"
#: is a request for an answer that comes at once, of whoever wants to know how it is now.
Kind = Literal["event", "request", "look"]
#: Bytes of an event that the service takes, by how it is invoked.
LIMITS = {"event": 1_000_000, "request": 6_000_000}
# Seconds for which trouble that may pass is borne: a laptop's network, throttling, credentials to be renewed.
_BEAR = 1800.0
# The same for a look: where nobody answers, and where the service does, which may be readying the function.
_AWAY, _LOOK = 10.0, 60.0
# Seconds of trouble after which somebody should know.
_TELL = 5.0
# Seconds, at most, of a pause between tries.
_PAUSE = 10.0

_THROTTLED = {
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "EC2ThrottledException",
    "RequestLimitExceeded",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_ABSENT = {"ResourceNotFoundException"}
_DENIED = {"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidSignatureException"}
_PASSING = {"ResourceNotReadyException", "ServiceException", "ENILimitReachedException", "SnapStartNotReadyException"}


class Lost(Exception):
    """The connection broke while an invocation was waited for: what became of it is not known."""


class Refused(Exception):
    """The service does not take an event, or not within the time that trouble is borne."""


class Answer(NamedTuple):
    """What came of an invocation: what the function returned, or, in `error`, how it ended without returning."""

    value: dict[str, Any]
    error: str


@dataclass(frozen=True)
class Facts:
    """What is known of the function.

    Attributes:
        timeout: seconds that an invocation may take.
        age: seconds after which an event that waits is dropped.
        failures: name of the bucket that events whose invocation failed are written to; "" for none.
    """

    timeout: float = 900.0
    age: float = 21_600.0
    failures: str = ""


class Service:
    """Invokes one function.

    Args:
        function: name or ARN of the function.
        region: of the service; "" for what AWS's configuration says.
        profile: of AWS's configuration files; "" for the usual chain of credentials.
        connections: how many requests there are at once, at most.
        clock: gives the time in seconds.
        uniform: a random number between two.
        bear: seconds for which trouble that may pass is borne.

    Attributes:
        tell: takes what a person should know while trouble lasts; None for nobody.
    """

    tell: Callable[[str], None] | None = None

    def __init__(
        self,
        function: str,
        *,
        region: str = "",
        profile: str = "",
        connections: int = 64,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        bear: float = _BEAR,
    ) -> None:
        self.function = function
        self._region = region
        self._profile = profile
        self._connections = connections
        self._clock = clock
        self._uniform = uniform
        self._bear = bear
        self._clients: dict[str, Any] = {}

    def open(self) -> None:
        """Make the clients.

        Raises:
            ConfigError: profile or region cannot be used.
        """
        import boto3
        from botocore.config import Config
        from botocore.exceptions import NoRegionError, ProfileNotFound

        try:
            session = boto3.Session(profile_name=self._profile or None, region_name=self._region or None)
            for kind, patience in (("event", 15), ("request", 930), ("look", _LOOK)):
                self._clients[kind] = session.client(
                    "lambda",
                    config=Config(
                        connect_timeout=5,
                        read_timeout=patience,
                        tcp_keepalive=True,
                        max_pool_connections=self._connections,
                        retries={"mode": "standard", "total_max_attempts": 1},
                    ),
                )
        except ProfileNotFound as error:
            raise ConfigError(f"profile: {error}") from None
        except NoRegionError:
            raise ConfigError("region: nothing says in which region the function is: set it, or AWS_REGION") from None

    def invoke(self, event: bytes, kind: Kind, pause: Callable[[float], bool] | None = None) -> Answer:
        """Invoke the function.

        Args:
            event: JSON.
            kind: how.
            pause: waits for so many seconds between tries, and tells whether it is to go on.

        Raises:
            Refused: it was not invoked.
            Lost: it may have been invoked.
            ConfigError: the function does not exist, or must not be invoked.
        """
        began = self._clock()
        told = False
        number = 0
        while True:
            try:
                return self._invoke(event, kind)
            except _Trouble as trouble:
                spent = self._clock() - began
                bear = self._bear if kind != "look" else _LOOK if trouble.answered else _AWAY
                if spent > bear:
                    raise Refused(f"it could not be started for {spent:.0f} s: {trouble}") from trouble
                if spent > _TELL and not told and self.tell is not None and kind != "look":
                    told = True
                    self.tell(f"{trouble}; trying again for up to {bear / 60:.0f} minutes")
                seconds = self._uniform(0, min(_PAUSE, 0.1 * 2**number))
                number = min(number + 1, 16)
            if not (pause or _sleep)(seconds):
                raise Refused("it was not started any more")

    def describe(self, pause: Callable[[float], bool] | None = None) -> dict[str, Any]:
        """What the function's code says of itself: versions, key, machine, memory, seconds that it may take.

        Args:
            pause: see `invoke`.

        Raises:
            ConfigError: it does not exist, must not be invoked, or is of another version.
            JobError: it cannot be reached, or does not work.
        """
        try:
            answer = self.invoke(json.dumps({"describe": "yourself"}).encode(), "look", pause)
        except (Refused, Lost) as error:
            raise JobError(f"the function {self.function} cannot be used: {error}") from error
        if answer.error:
            raise JobError(
                f"the function {self.function} does not work: {answer.error}; `mapreduce deploy` makes it anew"
            )
        return answer.value

    def settings(self) -> dict[str, Any]:
        """How asynchronous events are dealt with, as far as the credentials in use may know it."""
        return self._ask("get_function_event_invoke_config", FunctionName=self.function)

    def concurrency(self) -> int | None:
        """How many invocations may run at once, as far as the credentials in use may know it."""
        reserved = self._ask("get_function_concurrency", FunctionName=self.function)
        if "ReservedConcurrentExecutions" in reserved:
            return int(reserved["ReservedConcurrentExecutions"])
        limits = self._ask("get_account_settings").get("AccountLimit", {})
        limit = limits.get("UnreservedConcurrentExecutions")
        return None if limit is None else int(limit)

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found: dict[str, Any] = getattr(self._clients["event"], operation)(**arguments)
        except (BotoCoreError, ClientError):  # a role that may invoke need not be one that may ask
            return {}
        return found

    def _invoke(self, event: bytes, kind: Kind) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        name = "Event" if kind == "event" else "RequestResponse"
        try:
            answer = self._clients[kind].invoke(FunctionName=self.function, InvocationType=name, Payload=event)
            body = answer["Payload"].read()
        except ClientError as error:
            raise self._from_service(error) from error
        except (BotoCoreError, OSError) as error:
            raise self._from_client(error, kind) from error
        if kind == "event":
            return Answer({}, "")
        value = json.loads(body) if body else {}
        if answer.get("FunctionError"):
            return Answer({}, reason(value))
        return Answer(value if isinstance(value, dict) else {}, "")

    def _from_service(self, error: Any) -> Exception:
        """What an answer of the service that is an error means."""
        told = error.response.get("Error", {})
        code, message = str(told.get("Code", "")), str(told.get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        where = f"the function {self.function}"
        if code in _THROTTLED or status == 429:
            return _Trouble(f"{where} is invoked faster than the account's limits allow (429 {code}): {message}")
        if code in _EXPIRED:
            return _Trouble(f"the AWS credentials have expired ({message}): renew them, and the job goes on")
        if status >= 500 or code in _PASSING:
            return _Trouble(f"AWS Lambda cannot invoke {where} now ({code or status}: {message})")
        if code in _ABSENT:
            return ConfigError(f"function: there is no {self.function!r}: run `mapreduce deploy`, or set function")
        if code in _DENIED:
            return ConfigError(
                f"function: the credentials in use may not invoke {self.function!r} ({code}: {message}): they need"
                " lambda:InvokeFunction, or set profile to others"
            )
        return Refused(f"AWS Lambda refuses the event: {code or status}: {message}")

    def _from_client(self, error: BaseException, kind: str) -> Exception:
        """What it means that the service gave no answer."""
        from botocore.exceptions import (
            ConnectionClosedError,
            EndpointConnectionError,
            NoCredentialsError,
            ReadTimeoutError,
        )

        if isinstance(error, NoCredentialsError):
            return ConfigError(
                "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile"
            )
        sent = not isinstance(error, EndpointConnectionError) and isinstance(
            error, ReadTimeoutError | ConnectionClosedError | OSError
        )
        if kind == "request" and sent:
            return Lost(f"the connection to AWS Lambda broke: {error}")
        return _Trouble(
            f"AWS Lambda cannot be reached ({type(error).__name__}: {error}): check the network and the setting region",
            answered=False,
        )


class _Trouble(Exception):
    """Trouble that may pass.

    Args:
        text: what it is.
        answered: whether the service has answered.
    """

    def __init__(self, text: str, *, answered: bool = True) -> None:
        super().__init__(text)
        self.answered = answered


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True
