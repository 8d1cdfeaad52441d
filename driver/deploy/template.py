"""The stack's description, as a CloudFormation template: plain dictionaries, nothing of the account in them."""

from __future__ import annotations

from typing import Any, NamedTuple

from driver.deploy.deployment import Deployment
from driver.deploy.network import network, redis_secret, redis_url
from driver.deploy.policy import FAILURES, statements, sub
from mapreduce import __version__
from worker.veil import KEY

#: The entry point of the code.
HANDLER = "worker.handler.handle"
#: The parameter that is the function's key; nobody reads it off the stack.
PARAMETER = "Key"
#: The key of what this program keeps in a template's metadata.
METADATA = "Mapreduce"
#: The tag of the stack and of all that it makes; its value is the stack's name.
TAG = "mapreduce"

# Seconds that an asynchronous invocation may wait for a function: longer than Lambda takes to start
# thousands of them, short enough that one that never starts is known of soon.
_EVENT_AGE = 300
# Days after which what a job left is removed: longer than anybody resumes one.
_ABANDONED = 14
_UPLOADS = 2


class Code(NamedTuple):
    """Where the code package is: a bucket, as a template names it, and the key there."""

    bucket: Any
    key: str


def bucket_of(deployment: Deployment) -> Any:
    """The bucket for scratch data, as a template names it."""
    return deployment.bucket or {"Ref": "Scratch"}


def template(deployment: Deployment, code: Code | None, *, python: str = "", fingerprint: str = "") -> dict[str, Any]:
    """The template of a deployment.

    Args:
        deployment: what is wanted.
        code: where the code package is; None while there is none, for a stack without the function.
        python: Lambda's name of the runtime.
        fingerprint: of the code package.
    """
    resources: dict[str, Any] = {}
    if not deployment.bucket:
        resources["Scratch"] = _scratch(deployment)
    resources["Logs"] = {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {"LogGroupName": f"/aws/lambda/{deployment.name}", "RetentionInDays": deployment.retention},
    }
    if not deployment.role:
        resources["Role"] = _role(deployment)
    resources.update(network(deployment))
    present = code is not None or bool(deployment.image)
    if present:
        resources["Function"] = _function(deployment, code, python)
        resources["Invocation"] = _invocation(deployment)
    made = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "mapreduce: a function that runs tasks, and what it needs",
        "Metadata": {
            METADATA: {"deployment": deployment.to_json(), "version": __version__, "fingerprint": fingerprint}
        },
        "Resources": resources,
        "Outputs": _outputs(deployment, fingerprint, present=present),
    }
    if present:
        what = "Hides the secrets of jobs in events, which Lambda writes down when they fail"
        made["Parameters"] = {PARAMETER: {"Type": "String", "NoEcho": True, "MinLength": 64, "Description": what}}
    return made


def _scratch(deployment: Deployment) -> dict[str, Any]:
    rules = [
        {
            "Id": "abandoned-jobs",
            "Status": "Enabled",
            "Prefix": f"{deployment.prefix}/jobs/",
            "ExpirationInDays": _ABANDONED,
        },
        {"Id": "failures", "Status": "Enabled", "Prefix": f"{FAILURES}/", "ExpirationInDays": _ABANDONED},
        {
            "Id": "unfinished-uploads",
            "Status": "Enabled",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UPLOADS},
        },
    ]
    public = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return {
        "Type": "AWS::S3::Bucket",
        # Data is deleted by whoever asks for that, never by the way; a first deployment that fails leaves nothing.
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": dict.fromkeys(public, True),
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "LifecycleConfiguration": {"Rules": rules},
        },
    }


def _role(deployment: Deployment) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = {"Version": "2012-10-17", "Statement": statements(deployment)}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [{"PolicyName": "tasks", "PolicyDocument": policy}],
        },
    }


def _function(deployment: Deployment, code: Code | None, python: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "FunctionName": deployment.name,
        "Description": "runs tasks of mapreduce",
        "Architectures": [deployment.arch],
        "MemorySize": deployment.memory,
        "Timeout": deployment.timeout,
        "EphemeralStorage": {"Size": deployment.tmp},
        "Role": deployment.role or {"Fn::GetAtt": ["Role", "Arn"]},
        "Environment": {"Variables": {KEY: {"Ref": PARAMETER}}},
    }
    if deployment.image:
        properties |= {"PackageType": "Image", "Code": {"ImageUri": deployment.image}}
    else:
        assert code is not None
        properties |= {
            "Runtime": python,
            "Handler": HANDLER,
            "Code": {"S3Bucket": code.bucket, "S3Key": code.key},
        }
    if deployment.concurrency is not None:
        properties["ReservedConcurrentExecutions"] = deployment.concurrency
    if deployment.subnets:
        groups: list[Any] = list(deployment.security_groups) or [{"Fn::GetAtt": ["FunctionGroup", "GroupId"]}]
        properties["VpcConfig"] = {"SubnetIds": list(deployment.subnets), "SecurityGroupIds": groups}
    # Its log group first: Lambda would make one without an end to what it keeps.
    return {"Type": "AWS::Lambda::Function", "DependsOn": ["Logs"], "Properties": properties}


def _invocation(deployment: Deployment) -> dict[str, Any]:
    """How asynchronous invocations are treated: the driver tries again, Lambda does not."""
    bucket = deployment.bucket or "${Scratch}"
    return {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {
            "FunctionName": {"Ref": "Function"},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 0,
            "MaximumEventAgeInSeconds": _EVENT_AGE,
            "DestinationConfig": {"OnFailure": {"Destination": sub(f"arn:${{AWS::Partition}}:s3:::{bucket}")}},
        },
    }


def _outputs(deployment: Deployment, fingerprint: str, *, present: bool) -> dict[str, Any]:
    """What drivers ask the stack for."""
    told: dict[str, Any] = {
        "Bucket": bucket_of(deployment),
        "Storage": sub(f"s3://{deployment.bucket or '${Scratch}'}/{deployment.prefix}"),
    }
    if present:
        told |= {"Function": {"Ref": "Function"}, "Version": __version__, "Fingerprint": fingerprint or "image"}
    if deployment.redis:
        told["Redis"] = redis_url(deployment)
        secret = redis_secret(deployment)
        if secret:
            told["RedisSecret"] = secret
    if deployment.subnets and not deployment.security_groups:
        told["FunctionGroup"] = {"Fn::GetAtt": ["FunctionGroup", "GroupId"]}
    return {name: {"Value": value} for name, value in told.items()}
