"""Deployments of every kind that a template knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from driver.deploy.deployment import Deployment
from driver.deploy.template import Code, bucket_of, template

SUBNETS = ("subnet-0123456789abcdef0", "subnet-0123456789abcdef1")
GROUP = "sg-0123456789abcdef0"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreduce:1"
ROLE = "arn:aws:iam::123456789012:role/of-mine"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:redis-AbCdEf"

#: Options of deployments, by what is special of them.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sizes": {"memory": 10240, "timeout": 1, "tmp": 512, "arch": "x86_64", "concurrency": 0, "retention": 1},
    "places": {
        "bucket": "my-bucket",
        "prefix": "teams/mine",
        "inputs": ("s3://data", "s3://data/reviews", "s3://more/2024-*"),
        "outputs": ("s3://results/counts", "s3://results/sorted"),
    },
    "role": {"role": ROLE},
    "image": {"image": IMAGE},
    "vpc": {"subnets": SUBNETS},
    "vpc and groups": {"subnets": SUBNETS, "security_groups": (GROUP,), "s3_endpoint": False},
    "redis": {"subnets": SUBNETS, "redis": "create"},
    "redis and groups": {"subnets": SUBNETS, "security_groups": (GROUP,), "redis": "create", "secret_endpoint": False},
    "redis and secret": {"subnets": SUBNETS, "redis": "create", "redis_secret": f"secretsmanager:{SECRET}"},
    "redis and parameter": {"subnets": SUBNETS, "redis": "create", "redis_secret": "ssm:/redis/password"},
    "own redis": {"subnets": SUBNETS, "redis": "rediss://one:6380,two", "redis_secret": "secretsmanager:redis"},
    "redis outside": {"redis": "rediss://cache.example.com", "redis_secret": "ssm:password"},
}


def deployment(variant: str) -> Deployment:
    """A deployment of a kind, with what its subnets imply."""
    made = Deployment().changed(VARIANTS[variant])
    return replace(made, vpc="vpc-0123456789abcdef0", route_tables=("rtb-0123456789abcdef0",)) if made.subnets else made


def template_of(made: Deployment, *, code: bool = True) -> dict[str, Any]:
    """The template of a deployment."""
    where = Code(bucket_of(made), "mapreduce/code/mapreduce/0.zip") if code and not made.image else None
    return template(made, where, python="python3.12", fingerprint="" if made.image else "0" * 64)
