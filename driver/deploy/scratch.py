"""The bucket for scratch data: what this program puts there, and taking it away again.

Only keys that are made here, or by jobs, are ever deleted; they are told by their form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from driver.deploy.aws import Aws
from driver.deploy.deployment import Deployment
from driver.deploy.errors import DeployError
from driver.deploy.policy import FAILURES

# Ids of jobs, as `driver.means` makes them: a date, a time, and letters.
_JOB = r"\d{8}-\d{6}-[0-9a-f]{8}"
_BATCH = 1000


class Left(NamedTuple):
    """What is in a bucket: a number of objects, and their bytes."""

    objects: int
    size: int


def code_key(deployment: Deployment, digest: str) -> str:
    """The key of a code package; the beginning of all of them for the digest ""."""
    return f"{deployment.prefix}/code/{deployment.name}/{digest}{'.zip' if digest else ''}"


def clear_code(aws: Aws, bucket: str, deployment: Deployment, but: str = "") -> int:
    """Delete the code packages of this deployment, but for one; returns how many."""
    start = code_key(deployment, "")
    package = re.compile(re.escape(start) + r"[0-9a-f]{64}\.zip")
    kept = code_key(deployment, but) if but else ""
    return _delete(aws, bucket, (key for key, _ in _list(aws, bucket, start) if package.fullmatch(key) and key != kept))


def clear_data(aws: Aws, bucket: str, deployment: Deployment) -> int:
    """Delete what jobs made, their libraries, and what Lambda wrote of their failures; returns how many objects."""
    deleted = 0
    for start, rest in (
        (f"{deployment.prefix}/jobs/", f"{_JOB}/.+"),
        (f"{deployment.prefix}/bundles/", r"[0-9a-f]{64}(\.used)?"),
        (f"{FAILURES}/{deployment.name}/", ".+"),
    ):
        ours = re.compile(re.escape(start) + rest)
        deleted += _delete(aws, bucket, (key for key, _ in _list(aws, bucket, start) if ours.fullmatch(key)))
    return deleted


def left(aws: Aws, bucket: str, prefix: str = "") -> Left:
    """What is in the bucket, or below a prefix of it."""
    sizes = [size for _, size in _list(aws, bucket, prefix)]
    return Left(len(sizes), sum(sizes))


def _list(aws: Aws, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    for page in aws.pages("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", ()):
            yield found["Key"], found["Size"]


def _delete(aws: Aws, bucket: str, keys: Iterator[str]) -> int:
    doomed = list(keys)
    for start in range(0, len(doomed), _BATCH):
        batch = [{"Key": key} for key in doomed[start : start + _BATCH]]
        told = aws.call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        for error in told.get("Errors", ()):
            raise DeployError(f"s3://{bucket}/{error['Key']} cannot be deleted: {error['Code']}: {error['Message']}")
    return len(doomed)
