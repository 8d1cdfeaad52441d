"""`mapreduce status`: what is deployed, and whether it is what is installed here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from driver.deploy.aws import Aws
from driver.deploy.deployed import deployed_by
from driver.deploy.deployment import Deployment
from driver.deploy.errors import AwsError, DeployError
from driver.deploy.package import base64_digest, fingerprint
from driver.deploy.platforms import platform_of
from driver.deploy.stack import Stack
from driver.deploy.template import METADATA
from mapreduce import __version__
from mapreduce.errors import ConfigError


class Status(NamedTuple):
    """What stands.

    Attributes:
        stack: name of the stack.
        region: that it is in.
        state: CloudFormation's word for the state of the stack; "" where there is none.
        outputs: what the stack provides: Function, Bucket, Storage, Redis and so on.
        options: that it was deployed with.
        version: of the program that deployed it.
        matches: whether its code is what is installed here; None where that cannot be told.
        verdict: the same in words.
        drift: resources that are not as they were made, with what differs.
    """

    stack: str
    region: str
    state: str
    outputs: dict[str, str]
    options: dict[str, Any]
    version: str
    matches: bool | None
    verdict: str
    drift: dict[str, str]


def look(aws: Aws, stack: Stack, *, thorough: bool) -> Status:
    """What stands.

    Args:
        aws: the account.
        stack: to be looked at.
        thorough: has CloudFormation compare every resource with the template, which takes a while; else
            the function alone is compared.

    Raises:
        DeployError: the account cannot be asked.
    """
    state = stack.state()
    if state is None or not state.stands:
        status = state.status if state else ""
        return Status(stack.name, aws.region, status, {}, {}, "", None, "nothing is deployed", {})
    template = stack.template()
    kept = template["Metadata"][METADATA]
    deployment = Deployment.from_json(kept["deployment"])
    matches, verdict = _compare(deployment, kept)
    drift = {"Function": "there is none"}
    if deployed_by(state, aws.region):
        drift = _function_drift(aws, deployment, template["Resources"]["Function"]["Properties"]["Code"])
    if thorough:
        drift |= stack.drift()
    return Status(
        stack=stack.name,
        region=aws.region,
        state=state.status,
        outputs=state.outputs,
        options=deployment.to_json(),
        version=kept["version"],
        matches=matches,
        verdict=verdict,
        drift=drift,
    )


def _compare(deployment: Deployment, kept: dict[str, Any]) -> tuple[bool | None, str]:
    """Whether the code that is deployed is what is installed here, and that in words."""
    if deployment.image:
        return None, "the code is a container image: whether it is what is installed here cannot be told"
    try:
        here = fingerprint(platform_of(deployment.arch), deployment.libraries)
    except (ConfigError, DeployError) as error:
        return False, str(error)
    if here == kept["fingerprint"]:
        return True, "the code is what is installed here"
    versions = f"version {kept['version']} is deployed, {__version__} is installed here"
    return False, f"the code is not what is installed here ({versions}): run `mapreduce deploy`"


def _function_drift(aws: Aws, deployment: Deployment, code: Mapping[str, Any]) -> dict[str, str]:
    """How the function differs from what was deployed."""
    try:
        told = aws.call("lambda", "get_function_configuration", FunctionName=deployment.name)
    except AwsError as error:
        if error.code == "ResourceNotFoundException":
            return {"Function": "it was deleted by somebody else"}
        raise
    wanted = {
        "memory": (deployment.memory, told["MemorySize"]),
        "timeout": (deployment.timeout, told["Timeout"]),
        "tmp": (deployment.tmp, told.get("EphemeralStorage", {}).get("Size")),
        "arch": ([deployment.arch], told.get("Architectures")),
    }
    if "S3Key" in code:  # which names the digest
        digest = str(code["S3Key"]).rpartition("/")[2].removesuffix(".zip")
        wanted["code"] = (base64_digest(digest), told["CodeSha256"])
    differences = [f"{name}: {ours} -> {theirs}" for name, (ours, theirs) in wanted.items() if ours != theirs]
    return {"Function": "; ".join(differences)} if differences else {}
