"""What is deployed, as drivers ask for it: the outputs of the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from driver.deploy.aws import Aws
from driver.deploy.stack import Stack, State
from mapreduce.errors import ConfigError


class Deployed(NamedTuple):
    """A deployment that stands.

    Attributes:
        function: name of the function.
        region: that it is in.
        bucket: for scratch data.
        storage: URL of the object store that the function may use for control keys.
        version: of the program that deployed it.
        fingerprint: of its code package; "image" for a container image.
        redis: URL of the Redis that it can reach; "" for none.
        redis_secret: where the password of Redis is: ssm:NAME or secretsmanager:NAME; "" for none.
    """

    function: str
    region: str
    bucket: str
    storage: str
    version: str
    fingerprint: str
    redis: str = ""
    redis_secret: str = ""


def find_deployed(name: str = "mapreduce", region: str = "", profile: str = "") -> Deployed | None:
    """What the stack of that name provides; None where nothing is deployed.

    Raises:
        ConfigError: there is no such profile, or no region is given.
        AwsError: the account cannot be asked.
    """
    aws = Aws(region, profile)
    return deployed_by(Stack(aws, name, lambda _: None).state(), aws.region)


def found_settings(values: Mapping[str, Any]) -> dict[str, str]:
    """The settings that a deployment gives to a driver on Lambda whose storage is not said.

    Args:
        values: settings by name: function, region, profile, shuffle and redis_secret, as far as they are given.

    Raises:
        ConfigError: nothing is deployed.
        AwsError: the account cannot be asked.
    """
    function, region = values.get("function", "mapreduce"), values.get("region", "")
    if function.startswith("arn:"):
        parts = function.split(":")
        region, function = parts[3], parts[6]
    deployed = find_deployed(function, region, values.get("profile", ""))
    if deployed is None:
        raise ConfigError(
            f"storage: it is not given, and no stack {function} tells of one: run `mapreduce deploy`, or name a place"
            " like s3://bucket/prefix"
        )
    found = {"storage": deployed.storage}
    if deployed.redis and values.get("shuffle") == deployed.redis and not values.get("redis_secret"):
        found["redis_secret"] = deployed.redis_secret
    return found


def deployed_by(state: State | None, region: str) -> Deployed | None:
    """What a stack in that state provides; None for a stack without a function."""
    if state is None or "Function" not in state.outputs:
        return None
    told = state.outputs
    return Deployed(
        function=told["Function"],
        region=region,
        bucket=told["Bucket"],
        storage=told["Storage"],
        version=told["Version"],
        fingerprint=told["Fingerprint"],
        redis=told.get("Redis", ""),
        redis_secret=told.get("RedisSecret", ""),
    )
