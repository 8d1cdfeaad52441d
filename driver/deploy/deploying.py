"""`mapreduce deploy`: makes what stands in the account equal to what is wanted.

The function's code must lie in a bucket before the stack can make the function, and the stack may be what
makes the bucket: that is then done in two steps, of which the first leaves the function as it was, or out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from driver.deploy.aws import Aws
from driver.deploy.changes import Change, changes
from driver.deploy.deployed import Deployed, deployed_by
from driver.deploy.deployment import Deployment
from driver.deploy.errors import DeployError
from driver.deploy.package import Package, build, fingerprint
from driver.deploy.platforms import platform_of
from driver.deploy.scratch import clear_code, code_key
from driver.deploy.stack import Stack, State, Tell
from driver.deploy.template import METADATA, Code, bucket_of, template
from driver.deploy.vpc import look_up


class Wanted(NamedTuple):
    """What a run of `mapreduce deploy` is to bring about.

    Attributes:
        deployment: what is wanted, all looked up.
        old: the template that stands; None for none.
        new: the template that is wanted.
        package: the code package; None where the right one stands, or an image is wanted.
    """

    deployment: Deployment
    old: dict[str, Any] | None
    new: dict[str, Any]
    package: Package | None

    @property
    def changes(self) -> list[Change]:
        """What differs between the two templates."""
        return changes(self.old, self.new)


def plan(aws: Aws, stack: Stack, given: Mapping[str, Any]) -> Wanted:
    """What is wanted when these options are given; what they do not say stays as it is deployed.

    Nothing in the account is made or changed.

    Raises:
        ConfigError: an option cannot be used.
        DeployError: the package cannot be made, or the account not be asked.
    """
    state = stack.state()
    old = stack.template() if state is not None and state.stands else None
    standing = Deployment.from_json(old["Metadata"][METADATA]["deployment"]) if old else Deployment()
    own = set(stack.resources().values()) if old else set()
    deployment = look_up(aws, standing.changed({**given, "name": stack.name}), own)
    if deployment.image:
        _refuse_other_kind(old, "ImageUri")
        return Wanted(deployment, old, template(deployment, None), None)
    _refuse_other_kind(old, "S3Key")
    platform = platform_of(deployment.arch)
    seal = fingerprint(platform, deployment.libraries)
    code, package = _standing_code(deployment, old, seal), None
    if code is None:
        package = build(platform, deployment.libraries)
        code = Code(bucket_of(deployment), code_key(deployment, package.digest))
    new = template(deployment, code, python=platform.runtime, fingerprint=seal)
    return Wanted(deployment, old, new, package)


def carry_out(aws: Aws, stack: Stack, wanted: Wanted, tell: Tell) -> Deployed:
    """Bring about what is wanted.

    Raises:
        DeployError: it failed; the message says why, and what stood before stands.
    """
    if wanted.package is not None:
        bucket = wanted.deployment.bucket or _made_bucket(stack, wanted, tell)
        _upload(aws, bucket, wanted, wanted.package, tell)
    state = _change(stack, wanted.new)
    deployed = deployed_by(state, aws.region)
    if deployed is None:
        raise DeployError(f"the stack {stack.name} names no function: run `mapreduce destroy`, and deploy again")
    if wanted.package is not None:
        _check_code(aws, wanted.deployment.name, wanted.package)
        clear_code(aws, deployed.bucket, wanted.deployment, but=wanted.package.digest)
    return deployed


def _code_of(template_: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the function of a template is made of; {} where it has none."""
    function = (template_ or {"Resources": {}})["Resources"].get("Function")
    return dict(function["Properties"]["Code"]) if function else {}


def _refuse_other_kind(old: Mapping[str, Any] | None, kind: str) -> None:
    code = _code_of(old)
    if code and kind not in code:
        raise DeployError(
            "a function is made of a code package, or of an image, for good: run `mapreduce destroy`, then deploy again"
        )


def _standing_code(deployment: Deployment, old: Mapping[str, Any] | None, seal: str) -> Code | None:
    """Where the right package is, if the function that stands is made of it."""
    code = _code_of(old)
    if old is None or not code or old["Metadata"][METADATA]["fingerprint"] != seal:
        return None
    standing = Code(code["S3Bucket"], code["S3Key"])
    usual = standing.bucket == bucket_of(deployment) and standing.key.startswith(code_key(deployment, ""))
    return standing if usual else None


def _made_bucket(stack: Stack, wanted: Wanted, tell: Tell) -> str:
    """The bucket that the stack makes; it is made now if it is not there."""
    if wanted.old is None or "Scratch" not in wanted.old["Resources"]:
        tell("the bucket comes first, to hold the code")
        code = _code_of(wanted.old)
        metadata = wanted.new["Metadata"][METADATA]
        first = template(
            wanted.deployment,
            Code(code["S3Bucket"], code["S3Key"]) if code else None,
            python=wanted.new["Resources"]["Function"]["Properties"]["Runtime"],
            fingerprint=metadata["fingerprint"],
        )
        return _change(stack, first).outputs["Bucket"]
    state = stack.state()
    assert state is not None
    return state.outputs["Bucket"]


def _change(stack: Stack, new: Mapping[str, Any]) -> State:
    """The state of the stack when it is of template `new`."""
    change_set = stack.prepare(new)
    state = stack.execute(change_set) if change_set else stack.state()
    if state is None:
        raise DeployError(f"the stack {stack.name} was removed by somebody else meanwhile: deploy again")
    return state


def _upload(aws: Aws, bucket: str, wanted: Wanted, package: Package, tell: Tell) -> None:
    """Put the code package into the bucket, in place of what somebody may have put there."""
    key = code_key(wanted.deployment, package.digest)
    aws.call("s3", "put_object", Bucket=bucket, Key=key, Body=package.data, ChecksumSHA256=package.sha256)
    tell(f"code uploaded to s3://{bucket}/{key}")


def _check_code(aws: Aws, name: str, package: Package) -> None:
    """See that the function has the code that was packed, and not what somebody else put into the bucket since."""
    has = aws.call("lambda", "get_function_configuration", FunctionName=name)["CodeSha256"]
    if has != package.sha256:
        raise DeployError(
            f"the function {name} has other code than was packed (SHA-256 {has}, not {package.sha256}): somebody has"
            " replaced it in the bucket; find out who may write there, then run `mapreduce destroy` and deploy again"
        )
