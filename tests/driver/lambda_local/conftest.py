"""A Lambda service for the tests: one for each process of tests, because functions have names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driver.lambda_local import LambdaLocal
from tests.driver.lambda_local.calls import Functions
from tests.services.s3_servers import S3Server, moto


@pytest.fixture(scope="session")
def s3() -> S3Server:
    """An S3 service."""
    return moto()


@pytest.fixture(scope="session")
def shared(s3: S3Server) -> Iterator[LambdaLocal]:
    """A service that has that S3 service, and no patience with events that fail."""
    environ = {"AWS_ACCESS_KEY_ID": s3.key.id, "AWS_SECRET_ACCESS_KEY": s3.key.secret}
    with LambdaLocal(s3_endpoint=s3.endpoint, environ=environ, retry_delays=(0.0, 0.0)) as service:
        yield service


@pytest.fixture
def functions(shared: LambdaLocal) -> Iterator[Functions]:
    """Functions of the shared service, in which nothing goes wrong any more at the end."""
    yield Functions(shared)
    shared.faults.clear()
