"""Options are checked, kept, and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.deploy.deployment import Deployment, place_of
from mapreduce import ConfigError
from tests.driver.deploy.variants import SUBNETS, VARIANTS, deployment


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("name", "my function", "--name: 'my function' cannot be used; write it like mapreduce: letters"),
        ("memory", "64", "--memory: '64' is not a whole number from 128 to 10,240"),
        ("memory", "lots", "--memory: 'lots' is not a size"),
        ("timeout", "901", "--timeout: '901' is not a whole number from 1 to 900"),
        ("tmp", "20GB", "--tmp: 19073 is not a whole number from 512 to 10,240"),
        ("arch", "sparc", "--arch: 'sparc' is none of arm64, x86_64"),
        ("bucket", "My_Bucket", "--bucket: 'My_Bucket' cannot be used"),
        ("inputs", ("/local/folder",), "--input: '/local/folder' cannot be used; write it like s3://bucket/prefix"),
        ("inputs", ("s3://bucket/${x}",), "--input"),
        ("subnets", ("subnet-1,sg-2",), "--vpc-subnets: 'sg-2' cannot be used"),
        ("redis", "redis://user:secret@host", "--redis: the password must not be in the URL"),
        ("redis_secret", "the password", "--redis-secret"),
        ("role", "role", "--role-arn"),
        ("concurrency", "-1", "--reserved-concurrency"),
        ("libraries", ("numpy>>2",), "--with: 'numpy>>2' is no requirement"),
        ("image", "python:3.12", "--image"),
    ],
)
def test_refused(option: str, value: Any, message: str) -> None:
    """A value that cannot be used is refused by the option's name, with what to write."""
    with pytest.raises(ConfigError) as caught:
        Deployment().changed({option: value})
    assert str(caught.value).startswith(message)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"redis": "create"}, "--redis create needs --vpc-subnets"),
        ({"security_groups": ("sg-1",)}, "--vpc-security-groups needs --vpc-subnets"),
        ({"redis_secret": "ssm:x"}, "--redis-secret needs --redis"),
        ({"image": VARIANTS["image"]["image"], "libraries": ("numpy",)}, "--with is for code packages"),
    ],
)
def test_refused_together(given: dict[str, Any], message: str) -> None:
    """Options that need each other are refused alone."""
    with pytest.raises(ConfigError, match=message):
        Deployment().changed(given)


def test_only_what_is_given_changes() -> None:
    """What is not said stays, and "none" takes an option back."""
    first = Deployment().changed({"memory": "1769", "inputs": ("s3://two", "s3://one"), "concurrency": "7"})
    assert first.inputs == ("s3://one", "s3://two")
    assert first.changed({"memory": None, "inputs": ()}) == first
    second = first.changed({"memory": "2GiB", "inputs": ("none",), "concurrency": "none"})
    assert (second.memory, second.inputs, second.concurrency) == (2048, (), None)


def test_lists_may_be_one_text() -> None:
    """Subnets may stand in one text with commas; their order is no matter."""
    assert Deployment().changed({"subnets": (",".join(reversed(SUBNETS)),)}).subnets == SUBNETS


@pytest.mark.parametrize("variant", VARIANTS)
def test_json(variant: str) -> None:
    """A deployment is what its JSON says."""
    made = deployment(variant)
    assert Deployment.from_json(made.to_json()) == made
    assert Deployment.from_json({**made.to_json(), "of a later release": 1}) == made


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True), st.text("abc/", max_size=10))
def test_place(bucket: str, key: str) -> None:
    """The place of a URL is its bucket and its key without slashes at the ends."""
    assert place_of(f"s3://{bucket}/{key}") == (bucket, key.strip("/"))
