"""What the function may do: the statements of its role, each for named resources.

The one exception is the description of network interfaces, which AWS grants for all or none; a function
in a VPC needs it before its code runs, and its own code is denied it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from driver.deploy.deployment import CREATE, Deployment, Place, place_of

#: Where Lambda writes what became of asynchronous invocations that failed, in any bucket.
FAILURES = "aws/lambda/async"

_READ = ["s3:GetObject"]
_WRITE = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


def sub(text: str) -> Any:
    """`text`, in which CloudFormation replaces ${...} if it holds any."""
    return {"Fn::Sub": text} if "${" in text else text


def statements(deployment: Deployment) -> list[dict[str, Any]]:
    """The statements of the role's policy, as a template has them."""
    prefix = deployment.prefix
    bucket = deployment.bucket or "${Scratch}"
    made = [
        _objects("WriteJobs", _WRITE, [Place(bucket, f"{prefix}/jobs")]),
        _objects("ReadBundles", _READ, [Place(bucket, f"{prefix}/bundles")]),
        # An absent object is told from a forbidden one by whoever may list: S3 compares its key with the prefix.
        *_listing("ListScratch", [Place(bucket, prefix)]),
        _objects("WriteFailures", ["s3:PutObject"], [Place(bucket, f"{FAILURES}/{deployment.name}")]),
        # Lambda looks at the bucket of failures with this role; the function's own code may not.
        _statement("SeeFailures", ["s3:ListBucket"], [_bucket(bucket)])
        | {"Condition": {"Null": {"lambda:SourceFunctionArn": "true"}}},
        # A function hands over attempts of a large round in the driver's stead.
        _statement("InvokeItself", ["lambda:InvokeFunction"], [_arn("lambda", f"function:{deployment.name}")]),
        _statement("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [_logs(deployment)]),
    ]
    inputs = [place_of(url) for url in deployment.inputs]
    outputs = [place_of(url) for url in deployment.outputs]
    if inputs:
        made += [_objects("ReadInputs", _READ, inputs), *_listing("ListInputs", inputs)]
    if outputs:
        made += [_objects("WriteOutputs", _WRITE, outputs), *_listing("ListOutputs", outputs)]
    if deployment.redis:
        made += _secret(deployment)
    if deployment.subnets:
        made += _network(deployment)
    return made


def _statement(sid: str, actions: Sequence[str], resources: Sequence[Any]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _bucket(name: str) -> Any:
    return sub(f"arn:${{AWS::Partition}}:s3:::{name}")


def _logs(deployment: Deployment) -> Any:
    return _arn("logs", f"log-group:/aws/lambda/{deployment.name}:*")


def _arn(service: str, resource: str) -> Any:
    return sub(f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")


def _objects(sid: str, actions: Sequence[str], places: Sequence[Place]) -> dict[str, Any]:
    """Actions on the objects of places."""
    keys = [f"{bucket}/{pattern}" for bucket, prefix in places for pattern in _patterns(prefix)]
    return _statement(sid, actions, [sub(f"arn:${{AWS::Partition}}:s3:::{key}") for key in keys])


def _patterns(prefix: str) -> list[str]:
    """Of keys: what lies below a prefix, and an object that it names; or what it begins, if it ends in a *."""
    if not prefix or prefix.endswith("*"):
        return [prefix or "*"]
    return [f"{prefix}/*", prefix]


def _listing(sid: str, places: Sequence[Place]) -> Iterator[dict[str, Any]]:
    """The right to list places, a statement for each bucket."""
    buckets: dict[str, list[str]] = {}
    for bucket, prefix in places:
        buckets.setdefault(bucket, []).extend(_patterns(prefix))
    for number, (bucket, patterns) in enumerate(buckets.items()):
        yield _statement(f"{sid}{number or ''}", ["s3:ListBucket"], [_bucket(bucket)]) | {
            "Condition": {"StringLike": {"s3:prefix": patterns}}
        }


def _secret(deployment: Deployment) -> list[dict[str, Any]]:
    """The right to read the password of Redis."""
    service, resource = secret_resource(deployment)
    if not service:
        return []
    action = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}[service]
    return [_statement("ReadRedisSecret", [action], [resource])]


def secret_resource(deployment: Deployment) -> tuple[str, Any]:
    """The service that keeps the password of Redis, and the password's ARN; ("", "") without one."""
    reference = deployment.redis_secret
    if not reference:
        return ("secretsmanager", {"Ref": "RedisSecret"}) if deployment.redis == CREATE else ("", "")
    service, _, name = reference.partition(":")
    if name.startswith("arn:"):
        return service, name
    if service == "ssm":
        return service, _arn("ssm", f"parameter/{name.lstrip('/')}")
    return service, _arn("secretsmanager", f"secret:{name}-??????")  # AWS adds six letters of its own


def _network(deployment: Deployment) -> list[dict[str, Any]]:
    """What Lambda does with this role to put the function into its subnets, and the function's code may not."""
    subnets = [_arn("ec2", f"subnet/{subnet}") for subnet in deployment.subnets]
    interfaces, groups = _arn("ec2", "network-interface/*"), _arn("ec2", "security-group/*")
    changing = ["ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
    describing = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    creating = ["ec2:CreateNetworkInterface"]
    return [
        _statement("CreateInterfaces", creating, [interfaces, groups, *subnets]),
        _statement("ChangeInterfaces", changing, [interfaces]),
        _statement("DescribeInterfaces", describing, ["*"]),
        _statement("NotFromCode", [*creating, *changing, *describing], ["*"])
        | {
            "Effect": "Deny",
            "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": _arn("lambda", f"function:{deployment.name}")}},
        },
    ]
