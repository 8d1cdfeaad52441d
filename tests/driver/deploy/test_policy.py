"""What functions and people may do: named things, and no more."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.deploy.deployment import Deployment
from driver.deploy.permissions import for_deploying, for_functions
from tests.driver.deploy.variants import VARIANTS, deployment

WHERE = ("aws", "eu-west-1", "123456789012")

# Actions that AWS grants for all or none.
UNBOUND = {
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
}
names = st.from_regex(r"[a-z][a-z0-9-]{2,20}[a-z0-9]", fullmatch=True)


def role(variant: str) -> list[dict[str, Any]]:
    """The statements of the functions' role."""
    found: list[dict[str, Any]] = for_functions(deployment(variant), *WHERE)["Statement"]
    return found


def allows(statements: list[dict[str, Any]], action: str, resource: str, prefix: str = "") -> bool:
    """Whether a policy lets a function's code do something; for listings, with a prefix."""
    verdict = False
    for statement in statements:
        if action not in statement["Action"]:
            continue
        if not any(fnmatchcase(resource, pattern) for pattern in statement["Resource"]):
            continue
        condition = statement.get("Condition", {})
        if "Null" in condition:  # for the service, not the code
            continue
        patterns = condition.get("StringLike", {}).get("s3:prefix")
        if patterns and not any(fnmatchcase(prefix, pattern) for pattern in patterns):
            continue
        if statement["Effect"] == "Deny":
            return False
        verdict = True
    return verdict


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_resource_is_a_star(variant: str) -> None:
    """No statement allows something everywhere, but what AWS does not grant otherwise; and that not to the code."""
    for statement in role(variant):
        assert "*" not in str(statement["Action"])
        if "*" in statement["Resource"] and statement["Effect"] == "Allow":
            assert set(statement["Action"]) == UNBOUND
            assert VARIANTS[variant]["subnets"]
        for resource in statement["Resource"]:
            assert resource == "*" or resource.split(":")[5].strip("*/"), f"{resource} names nothing"
    for action in UNBOUND:
        assert not allows(role(variant), action, "*")


@pytest.mark.parametrize("variant", VARIANTS)
def test_policy_fits(variant: str) -> None:
    """The role's policy has less than IAM takes, and its statements have names of their own."""
    statements = role(variant)
    assert len(json.dumps(statements)) < 10_240
    assert len({statement["Sid"] for statement in statements}) == len(statements)


def test_scratch() -> None:
    """Functions write what jobs have below the prefix; code and other data they leave alone."""
    statements = role("places")
    bucket = "arn:aws:s3:::my-bucket"
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        assert allows(statements, action, f"{bucket}/teams/mine/jobs/1/rounds/0/done/00000")
        assert not allows(statements, action, f"{bucket}/teams/mine/code/mapreduce/0.zip")
        assert not allows(statements, action, f"{bucket}/teams/others/jobs/1/job.json")
        assert not allows(statements, action, f"{bucket}x/teams/mine/jobs/1/job.json")
    assert allows(statements, "s3:GetObject", f"{bucket}/teams/mine/bundles/0")
    assert not allows(statements, "s3:PutObject", f"{bucket}/teams/mine/bundles/0")
    assert not allows(statements, "s3:DeleteBucket", bucket)


def test_listing_by_prefix() -> None:
    """Listing is for the prefixes that are named: a bucket may hold more than is for functions."""
    statements = role("places")
    assert allows(statements, "s3:ListBucket", "arn:aws:s3:::my-bucket", "teams/mine/jobs/1/")
    assert not allows(statements, "s3:ListBucket", "arn:aws:s3:::my-bucket", "")
    assert not allows(statements, "s3:ListBucket", "arn:aws:s3:::my-bucket", "teams/minerals/")
    assert allows(statements, "s3:ListBucket", "arn:aws:s3:::results", "counts/")
    assert not allows(statements, "s3:ListBucket", "arn:aws:s3:::results", "other/")
    assert allows(statements, "s3:ListBucket", "arn:aws:s3:::more", "2024-05/")


def test_inputs_are_read_only() -> None:
    """Inputs are read, outputs written too; an input may be an object, a folder, or what begins alike."""
    statements = role("places")
    for key in ("reviews/one.txt", "anything"):
        assert allows(statements, "s3:GetObject", f"arn:aws:s3:::data/{key}")
        assert not allows(statements, "s3:PutObject", f"arn:aws:s3:::data/{key}")
        assert not allows(statements, "s3:DeleteObject", f"arn:aws:s3:::data/{key}")
    assert allows(statements, "s3:GetObject", "arn:aws:s3:::more/2024-05/a")
    assert not allows(statements, "s3:GetObject", "arn:aws:s3:::more/2023-05/a")
    assert allows(statements, "s3:PutObject", "arn:aws:s3:::results/counts/_temporary/1/0.0")
    assert not allows(statements, "s3:PutObject", "arn:aws:s3:::results/others/part-0")


@given(bucket=names, prefix=names, other=names)
def test_only_what_is_named(bucket: str, prefix: str, other: str) -> None:
    """Whatever the names are, functions read below them and nowhere else."""
    statements = for_functions(Deployment().changed({"inputs": (f"s3://{bucket}/{prefix}/",)}), *WHERE)["Statement"]
    assert allows(statements, "s3:GetObject", f"arn:aws:s3:::{bucket}/{prefix}/part")
    if other != prefix:
        assert not allows(statements, "s3:GetObject", f"arn:aws:s3:::{bucket}/{other}/part")
    if other != bucket:
        assert not allows(statements, "s3:GetObject", f"arn:aws:s3:::{other}/{prefix}/part")


def test_logs_are_its_own() -> None:
    """Functions write into their own log group, which they cannot make."""
    statements = role("plain")
    assert allows(
        statements, "logs:PutLogEvents", f"arn:aws:logs:{WHERE[1]}:{WHERE[2]}:log-group:/aws/lambda/mapreduce:x"
    )
    assert not allows(statements, "logs:PutLogEvents", f"arn:aws:logs:{WHERE[1]}:{WHERE[2]}:log-group:/aws/lambda/b:x")
    assert "logs:CreateLogGroup" not in json.dumps(statements)


@pytest.mark.parametrize(
    ("variant", "action", "resource"),
    [
        ("own redis", "secretsmanager:GetSecretValue", "secretsmanager:eu-west-1:123456789012:secret:redis-AbCdEf"),
        (
            "redis and secret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:123456789012:secret:redis-AbCdEf",
        ),
        ("redis and parameter", "ssm:GetParameter", "ssm:eu-west-1:123456789012:parameter/redis/password"),
        ("redis outside", "ssm:GetParameter", "ssm:eu-west-1:123456789012:parameter/password"),
    ],
)
def test_secret(variant: str, action: str, resource: str) -> None:
    """The secret that is named can be read, by whoever has one."""
    assert allows(role(variant), action, f"arn:aws:{resource}")
    assert not allows(role(variant), action, f"arn:aws:{resource}-of-another")
    assert not allows(role("plain"), action, f"arn:aws:{resource}")


@pytest.mark.parametrize("variant", VARIANTS)
def test_people(variant: str) -> None:
    """Whoever deploys may pass the role to Lambda alone, and changes nothing but what has the stack's name."""
    statements = {one["Sid"]: one for one in for_deploying(deployment(variant), *WHERE)["Statement"]}
    assert statements["PassRole"]["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert ("Role" in statements) == (variant != "role")
    everywhere = {sid for sid, one in statements.items() if one["Resource"] == ["*"]}
    assert everywhere == {"Drift"} | ({"Network"} if "subnets" in VARIANTS[variant] else set())
    assert len(json.dumps(list(statements.values()))) < 10_240
