"""What a deployment shall be: the options of `mapreduce deploy`, checked and in their final form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

from mapreduce.errors import ConfigError
from mapreduce.sizes import parse_size

#: The value of `redis` that asks for a replication group of the stack's own.
CREATE = "create"
#: Empties an option that holds several values, or names one.
NONE = "none"
ARCHITECTURES = ("arm64", "x86_64")

_MIB = 1 << 20
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,39}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^$?]*))?")
_SUBNET = re.compile(r"subnet-[0-9a-f]+")
_GROUP = re.compile(r"sg-[0-9a-f]+")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/\S+")
_SECRET = re.compile(r"(ssm|secretsmanager):[^:\s]\S*")
_NODE = re.compile(r"cache\.[a-z0-9-]+\.[a-z0-9]+")
_REDIS = re.compile(r"rediss?://([^/?]*)(\?\S*)?")
_IMAGE = re.compile(r"\d{12}\.dkr\.ecr\.\S+[:@]\S+")


class Place(NamedTuple):
    """A bucket and the beginning of the keys in it, without slashes at its ends."""

    bucket: str
    prefix: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What shall stand in the account; equal ones make equal templates.

    Attributes:
        name: of the stack and of the function.
        memory: MB of the function, which has one processor for each 1769 of them.
        timeout: seconds that one invocation may take.
        tmp: MB of the function's disk.
        arch: processor: "arm64" or "x86_64".
        image: of a container that holds the worker; "" for a code package.
        libraries: requirements that the code package holds beside the worker's own.
        bucket: for scratch data; "" for one that the stack makes.
        prefix: of all that is made in the bucket.
        inputs: s3:// URLs that functions may read.
        outputs: s3:// URLs that functions may read and write.
        subnets: that the function is in; () for none.
        security_groups: of the function; () for one that the stack makes.
        vpc: of the subnets.
        route_tables: of the subnets.
        s3_endpoint: whether the stack makes the VPC's way to S3.
        secret_endpoint: whether the stack makes the VPC's way to the secret's service.
        redis: URL of a Redis; "create" for one that the stack makes; "" for none.
        redis_node: type of the nodes of the stack's Redis.
        redis_secret: where its password is: ssm:NAME or secretsmanager:NAME, of a name or an ARN; "" for one
            that the stack makes with its Redis.
        role: ARN of a role that exists; "" for one that the stack makes.
        concurrency: invocations that are reserved for the function, and its limit; None: the account's.
        retention: days that logs are kept.
    """

    name: str = "mapreduce"
    memory: int = 1769
    timeout: int = 900
    tmp: int = 2048
    arch: str = "arm64"
    image: str = ""
    libraries: tuple[str, ...] = ()
    bucket: str = ""
    prefix: str = "mapreduce"
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    vpc: str = ""
    route_tables: tuple[str, ...] = ()
    s3_endpoint: bool = True
    secret_endpoint: bool = True
    redis: str = ""
    redis_node: str = "cache.r7g.large"
    redis_secret: str = ""
    role: str = ""
    concurrency: int | None = None
    retention: int = 14

    def changed(self, given: Mapping[str, Any]) -> Deployment:
        """This deployment with what is given in place of what it has; None and () are not given.

        Raises:
            ConfigError: a value cannot be used, or does not go with the others; the message names the option.
        """
        values = {name: _CHECKS[name](value) for name, value in given.items() if value not in (None, ())}
        changed = replace(self, **values)
        changed.check()
        return changed

    def check(self) -> None:
        """Refuse options that do not go together."""
        if self.redis == CREATE and not self.subnets:
            raise ConfigError("--redis create needs --vpc-subnets: ElastiCache can be reached from within a VPC alone")
        if self.security_groups and not self.subnets:
            raise ConfigError("--vpc-security-groups needs --vpc-subnets")
        if self.redis_secret and not self.redis:
            raise ConfigError("--redis-secret needs --redis")
        if self.image and self.libraries:
            raise ConfigError("--with is for code packages: put the libraries into the image")

    def to_json(self) -> dict[str, Any]:
        """As JSON, defaults too, so that those of a later release change nothing that stands."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Deployment:
        """The deployment that `to_json` told; what this release does not know is left out."""
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}
        return cls(**{one.name: values[one.name] for one in fields(cls) if one.name in values})


def place_of(url: str) -> Place:
    """Bucket and prefix of an s3:// URL that has been checked."""
    match = _PLACE.fullmatch(url)
    assert match is not None
    return Place(match[1], (match[2] or "").strip("/"))


def _whole(option: str, least: int, most: int) -> Any:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not str(value).isdecimal() or not least <= int(value) <= most:
            raise ConfigError(f"{option}: {value!r} is not a whole number from {least} to {most:,}")
        return int(value)

    return check


def _megabytes(option: str, least: int, most: int) -> Any:
    """MB as Lambda counts them, 1024 x 1024 bytes: a plain number, or a size with a unit."""
    check_number = _whole(option, least, most)

    def check(value: Any) -> int:
        text = str(value)
        return int(check_number(text if text.isdecimal() else parse_size(text, option) // _MIB))

    return check


def _matching(option: str, pattern: re.Pattern[str], like: str) -> Any:
    def check(value: Any) -> str:
        if value == NONE:
            return ""
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise ConfigError(f"{option}: {value!r} cannot be used; write it like {like}")
        return value

    return check


def _several(check: Any, separator: str | None = None) -> Any:
    """Several values, given apart or, where they have a separator, as one text."""

    def check_all(values: Sequence[str] | str) -> tuple[str, ...]:
        given = [values] if isinstance(values, str) else list(values)
        if given == [NONE]:
            return ()
        # In order and once each, so that the same said otherwise is no change.
        return tuple(
            sorted({check(part) for value in given for part in (value.split(separator) if separator else [value])})
        )

    return check_all


def _architecture(value: Any) -> str:
    if value not in ARCHITECTURES:
        raise ConfigError(f"--arch: {value!r} is none of {', '.join(ARCHITECTURES)}")
    return str(value)


def _concurrency(value: Any) -> int | None:
    return None if value == NONE else int(_whole("--reserved-concurrency", 0, 100_000)(value))


def _switch(value: Any) -> bool:
    return bool(value)


def _library(value: Any) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return str(Requirement(value))
    except InvalidRequirement as error:
        raise ConfigError(f"--with: {value!r} is no requirement, as 'numpy' or 'numpy>=2' would be: {error}") from None


def _libraries(values: Any) -> tuple[str, ...]:
    given = [values] if isinstance(values, str) else list(values)
    return () if given == [NONE] else tuple(sorted({_library(value) for value in given}))


def _redis(value: Any) -> str:
    if value in (CREATE, NONE):
        return "" if value == NONE else CREATE
    checked = str(_matching("--redis", _REDIS, "create, or rediss://cache.example.com:6379")(value))
    if "@" in checked:
        raise ConfigError("--redis: the password must not be in the URL, which is shown; name it by --redis-secret")
    return checked


_CHECKS = {
    "name": _matching("--name", _NAME, "mapreduce: letters, digits and hyphens, at most 40"),
    "memory": _megabytes("--memory", 128, 10_240),
    "timeout": _whole("--timeout", 1, 900),
    "tmp": _megabytes("--tmp", 512, 10_240),
    "arch": _architecture,
    "image": _matching("--image", _IMAGE, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreduce:1"),
    "libraries": _libraries,
    "bucket": _matching("--bucket", _BUCKET, "my-bucket"),
    "prefix": _matching("--prefix", re.compile(r"[\w.=-]+(/[\w.=-]+)*", re.ASCII), "teams/mine"),
    "inputs": _several(_matching("--input", _PLACE, "s3://bucket/prefix")),
    "outputs": _several(_matching("--output", _PLACE, "s3://bucket/prefix")),
    "subnets": _several(_matching("--vpc-subnets", _SUBNET, "subnet-0123456789abcdef0"), ","),
    "security_groups": _several(_matching("--vpc-security-groups", _GROUP, "sg-0123456789abcdef0"), ","),
    "s3_endpoint": _switch,
    "secret_endpoint": _switch,
    "redis": _redis,
    "redis_node": _matching("--redis-node", _NODE, "cache.r7g.large"),
    "redis_secret": _matching("--redis-secret", _SECRET, "ssm:/name or secretsmanager:name, of a name or an ARN"),
    "role": _matching("--role-arn", _ROLE, "arn:aws:iam::123456789012:role/name"),
    "concurrency": _concurrency,
    "retention": _whole("--log-days", 1, 3653),
}
