"""What the people need to be allowed: whoever deploys, and whoever runs jobs on what is deployed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from driver.deploy.deployment import CREATE, Deployment, place_of
from driver.deploy.policy import FAILURES, statements

_STACK = """CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents
    DescribeStackResourceDrifts DescribeStackResources DescribeStacks DetectStackDrift DetectStackResourceDrift
    ExecuteChangeSet GetTemplate"""
_BUCKET = """CreateBucket DeleteBucket GetBucketOwnershipControls GetBucketPublicAccessBlock GetBucketTagging
    GetEncryptionConfiguration GetLifecycleConfiguration PutBucketOwnershipControls PutBucketPublicAccessBlock
    PutBucketTagging PutEncryptionConfiguration PutLifecycleConfiguration"""
_FUNCTION = """CreateFunction DeleteFunction DeleteFunctionConcurrency DeleteFunctionEventInvokeConfig GetFunction
    GetFunctionCodeSigningConfig GetFunctionConcurrency GetFunctionConfiguration GetFunctionEventInvokeConfig
    GetFunctionRecursionConfig GetRuntimeManagementConfig ListTags PutFunctionConcurrency
    PutFunctionEventInvokeConfig TagResource UntagResource UpdateFunctionCode UpdateFunctionConfiguration
    UpdateFunctionEventInvokeConfig"""
_LOGS = """CreateLogGroup DeleteLogGroup DeleteRetentionPolicy ListTagsForResource PutRetentionPolicy TagResource
    UntagResource"""
_ROLE = """CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies
    PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy"""
_NETWORK = """AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateSecurityGroup CreateTags
    CreateVpcEndpoint DeleteSecurityGroup DeleteTags DeleteVpcEndpoints DescribeNetworkInterfaces
    DescribePrefixLists DescribeRouteTables DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets
    DescribeVpcEndpoints DescribeVpcs ModifyVpcEndpoint RevokeSecurityGroupEgress RevokeSecurityGroupIngress"""
_CACHE = """AddTagsToResource CreateCacheParameterGroup CreateCacheSubnetGroup CreateReplicationGroup
    DeleteCacheParameterGroup DeleteCacheSubnetGroup DeleteReplicationGroup DescribeCacheClusters
    DescribeCacheParameterGroups DescribeCacheParameters DescribeCacheSubnetGroups DescribeReplicationGroups
    ListTagsForResource ModifyCacheParameterGroup ModifyCacheSubnetGroup ModifyReplicationGroup"""
_KEEPING = "CreateSecret DeleteSecret DescribeSecret GetRandomPassword GetSecretValue TagResource UpdateSecret"


def for_deploying(deployment: Deployment, partition: str, region: str, account: str) -> dict[str, Any]:
    """The policy of somebody who deploys, runs jobs, and removes all of it."""
    name = deployment.name
    here = f"{region}:{account}"
    bucket = f"arn:{partition}:s3:::{deployment.bucket or f'{name.lower()}-scratch-*'}"
    function = f"arn:{partition}:lambda:{here}:function:{name}"
    logs = f"arn:{partition}:logs:{here}:log-group:/aws/lambda/{name}"
    made = [
        _allow("Stack", "cloudformation", _STACK, [f"arn:{partition}:cloudformation:{here}:stack/{name}/*"]),
        # It is asked for by an id of its own, for which IAM has no form.
        _allow("Drift", "cloudformation", "DescribeStackDriftDetectionStatus", ["*"]),
        _allow("Function", "lambda", f"{_FUNCTION} InvokeFunction", [function, f"{function}:*"]),
        _allow("Logs", "logs", f"{_LOGS} FilterLogEvents GetLogEvents", [logs, f"{logs}:*"]),
        _allow("FindLogs", "logs", "DescribeLogGroups", [f"arn:{partition}:logs:{here}:log-group:*"]),
        *_objects(deployment, partition, bucket),
    ]
    if not deployment.bucket:
        made.append(_allow("Bucket", "s3", _BUCKET, [bucket]))
    role = deployment.role or f"arn:{partition}:iam::{account}:role/{name}-Role-*"
    if not deployment.role:
        made.append(_allow("Role", "iam", _ROLE, [role]))
    passed = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    made.append(_allow("PassRole", "iam", "PassRole", [role]) | {"Condition": passed})
    if deployment.subnets:
        made.append(_allow("Network", "ec2", _NETWORK, ["*"]))
    if deployment.redis == CREATE:
        made.append(_allow("Redis", "elasticache", _CACHE, [f"arn:{partition}:elasticache:{here}:*"]))
    if deployment.redis:
        made += _secret(deployment, partition, here)
    if deployment.image:
        repository = deployment.image.partition("/")[2].partition("@")[0].partition(":")[0]
        registry = deployment.image.partition(".")[0]
        images = "BatchGetImage GetDownloadUrlForLayer GetRepositoryPolicy SetRepositoryPolicy"
        made.append(
            _allow("Image", "ecr", images, [f"arn:{partition}:ecr:{region}:{registry}:repository/{repository}"])
        )
    return {"Version": "2012-10-17", "Statement": made}


def for_functions(deployment: Deployment, partition: str, region: str, account: str) -> dict[str, Any]:
    """The policy of the function's role, for those who make the role themselves (--role-arn)."""
    text = json.dumps(statements(deployment))
    values = {"Partition": partition, "Region": region, "AccountId": account}
    for name, value in values.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    text = text.replace("${Scratch}", deployment.bucket or f"{deployment.name.lower()}-scratch-*")
    secret = f"arn:{partition}:secretsmanager:{region}:{account}:secret:RedisSecret-*"  # as CloudFormation names it
    text = text.replace(json.dumps({"Ref": "RedisSecret"}), json.dumps(secret))
    return {"Version": "2012-10-17", "Statement": _plain(json.loads(text))}


def _plain(value: Any) -> Any:
    """`value` without the functions of CloudFormation, whose variables have been replaced."""
    if isinstance(value, dict):
        return value["Fn::Sub"] if "Fn::Sub" in value else {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _allow(sid: str, service: str, actions: str, resources: Sequence[str]) -> dict[str, Any]:
    named = [f"{service}:{action}" for action in actions.split()]
    return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": list(resources)}


def _objects(deployment: Deployment, partition: str, bucket: str) -> list[dict[str, Any]]:
    """Objects of the scratch bucket, of inputs and of outputs."""
    places = [place_of(url) for url in deployment.outputs]
    inputs = [place_of(url) for url in deployment.inputs]
    below = [f"arn:{partition}:s3:::{'/'.join(filter(None, place))}" for place in places]
    written = [f"{bucket}/{deployment.prefix}/*", *(f"{arn}/*" for arn in below)]
    failures = [f"{bucket}/{FAILURES}/{deployment.name}/*"]
    buckets = sorted({bucket, *(f"arn:{partition}:s3:::{place.bucket}" for place in [*places, *inputs])})
    made = [
        _allow("Objects", "s3", "AbortMultipartUpload DeleteObject GetObject PutObject", written),
        _allow("Failures", "s3", "DeleteObject GetObject", failures),
        _allow("List", "s3", "ListBucket ListBucketMultipartUploads", buckets),
    ]
    if inputs:
        read = [f"arn:{partition}:s3:::{'/'.join(filter(None, place)).rstrip('*')}*" for place in inputs]
        made.append(_allow("Inputs", "s3", "GetObject", read))
    return made


def _secret(deployment: Deployment, partition: str, here: str) -> list[dict[str, Any]]:
    """The password of Redis: drivers look at Redis before anything starts, and remove what jobs left there."""
    if deployment.redis == CREATE and not deployment.redis_secret:
        secrets = [f"arn:{partition}:secretsmanager:{here}:secret:RedisSecret-*"]
        return [_allow("Secret", "secretsmanager", _KEEPING, secrets)]
    functions = for_functions(deployment, partition, *here.split(":"))["Statement"]
    found = [statement for statement in functions if statement["Sid"] == "ReadRedisSecret"]
    for statement in found:
        if "ssm:GetParameter" in statement["Action"]:
            statement["Action"].append("ssm:GetParameters")  # by which CloudFormation reads it for Redis
    return found
