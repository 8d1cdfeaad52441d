"""Functions: what is known of each, in AWS's own terms, and what AWS would refuse."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from driver.lambda_local.code import Code
from driver.lambda_local.errors import conflict, invalid, not_found

#: The one runtime there is: the Python that runs the service.
RUNTIME = "python{}.{}".format(*sys.version_info)
#: The one version that a function has.
LATEST = "$LATEST"

_NAME = re.compile(
    r"(arn:aws[\w-]*:lambda:)?([a-z]{2}[\w-]*-\d:)?(\d{12}:)?(function:)?(?P<name>[\w-]+)(:(?P<qualifier>\$LATEST|[\w-]+))?"
)
_SETTINGS: dict[str, Any] = {
    "Runtime": RUNTIME,
    "Handler": "",
    "Role": "",
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Architectures": ["x86_64"],
    "PackageType": "Zip",
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {},
    "Layers": [],
}
# What a request has beside the settings, and what has no meaning here.
_NO_SETTINGS = {"FunctionName", "Code", "Tags", "Publish", "RevisionId", "DryRun", "LoggingConfig", "SnapStart"}
_RESERVED = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
    *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
    *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
    *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
}


@dataclass
class Function:
    """A function.

    Attributes:
        arn: its name for all the world.
        settings: what CreateFunction and UpdateFunctionConfiguration set, by AWS's names.
        code: unpacked.
        tags: as given.
        reserved: how many of its invocations may run at once; None: what the account allows.
        events: its EventInvokeConfig.
        modified: when code or settings changed last, and `revision` of what.
    """

    arn: str
    settings: dict[str, Any]
    code: Code
    tags: dict[str, str] = field(default_factory=dict)
    reserved: int | None = None
    events: dict[str, Any] | None = None
    modified: str = ""
    revision: str = ""

    @property
    def name(self) -> str:
        """Its short name."""
        return self.arn.rpartition(":")[2]

    @property
    def memory(self) -> int:
        """MB of memory, at most."""
        return int(self.settings["MemorySize"])

    @property
    def tmp(self) -> int:
        """MB of files in /tmp, at most."""
        return int(self.settings["EphemeralStorage"]["Size"])

    @property
    def timeout(self) -> float:
        """Seconds that an invocation may take."""
        return float(self.settings["Timeout"])

    @property
    def variables(self) -> dict[str, str]:
        """Its environment."""
        return dict(self.settings["Environment"].get("Variables", {}))

    def change(self, code: Code | None = None, settings: Mapping[str, Any] | None = None) -> None:
        """Take other code or settings; it is another function to the sandboxes from now on."""
        self.code = code or self.code
        self.settings = {**self.settings, **(settings or {})}
        self.revision = str(uuid.uuid4())
        self.modified = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def described(self) -> dict[str, Any]:
        """What GetFunctionConfiguration answers."""
        return {
            **self.settings,
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "CodeSize": self.code.size,
            "CodeSha256": self.code.sha256,
            "LastModified": self.modified,
            "RevisionId": self.revision,
            "Version": LATEST,
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        }


class Functions:
    """All functions, by name."""

    def __init__(self, region: str, account: str) -> None:
        self._prefix = f"arn:aws:lambda:{region}:{account}:function:"
        self._all: dict[str, Function] = {}

    def create(self, name: str, code: Code, settings: dict[str, Any], tags: dict[str, str]) -> Function:
        """A new function."""
        self.free(name)
        function = Function(self._prefix + short(name), {**_SETTINGS, **settings}, code, tags)
        function.change()
        self._all[function.name] = function
        return function

    def free(self, name: str) -> None:
        """Refuse a name that is taken."""
        if short(name) in self._all:
            raise conflict(f"Function already exist: {short(name)}")

    def get(self, name: str, qualifier: str | None = None) -> Function:
        """The function of that name or ARN."""
        found = _NAME.fullmatch(name)
        of = qualifier or (found and found["qualifier"]) or LATEST
        function = self._all.get(found["name"]) if found else None
        if function is None or of != LATEST:
            version = "" if of == LATEST else f":{of}"
            raise not_found(f"Function not found: {self._prefix}{found['name'] if found else name}{version}")
        return function

    def delete(self, function: Function) -> None:
        """Forget a function."""
        self._all.pop(function.name, None)
        function.revision = ""  # no sandbox is of that

    def all(self) -> list[Function]:
        """All of them, in order of their names."""
        return [self._all[name] for name in sorted(self._all)]


def short(name: str) -> str:
    """A function's short name; what is none is refused."""
    found = _NAME.fullmatch(name)
    if found is None or len(found["name"]) > 64:
        raise invalid(f"{name!r} is no name of a function: letters, digits, - and _, at most 64.")
    return str(found["name"])


def settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a request, checked."""
    settings = {name: value for name, value in request.items() if name not in _NO_SETTINGS}
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise invalid(f"{name} is not among what this service knows: {', '.join(sorted(_SETTINGS))}.")
        if name in _CHECKS:
            _CHECKS[name](value)
    return settings


def _within(least: int, most: int, what: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, int) or not least <= value <= most:
            raise invalid(f"{what} must be between {least} and {most}, not {value!r}.")

    return check


def _runtime(value: str) -> None:
    if value != RUNTIME:
        raise invalid(f"Functions run in this service's own Python, which is {RUNTIME}, not {value}.")


def _package(value: str) -> None:
    if value != "Zip":
        raise invalid(f"PackageType is Zip here, not {value}: there are no container images.")


def _layers(value: list[str]) -> None:
    if value:
        raise invalid("There are no layers here: ship what they have in the zip file.")


def _variables(value: dict[str, Any]) -> None:
    variables = value.get("Variables", {})
    why = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided"
    )
    if taken := sorted(_RESERVED.intersection(variables)):
        raise invalid(
            f"{why} contains reserved keys that are currently not supported for modification."
            f" Reserved keys used in this request: {', '.join(taken)}"
        )
    if len(json.dumps(variables, separators=(",", ":"), ensure_ascii=False).encode()) > 4096:
        raise invalid(f"{why} exceeded the 4KB limit.")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "Runtime": _runtime,
    "PackageType": _package,
    "Layers": _layers,
    "MemorySize": _within(128, 10_240, "MemorySize"),
    "Timeout": _within(1, 900, "Timeout"),
    "EphemeralStorage": lambda value: _within(512, 10_240, "EphemeralStorage.Size")(value.get("Size")),
    "Environment": _variables,
}
