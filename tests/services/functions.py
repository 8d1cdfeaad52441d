"""A Lambda service with the function of the executor, beside a real S3 server."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from driver.lambda_local import RUNTIME, LambdaLocal
from tests.services.s3_servers import BUCKET, S3Server
from worker.veil import KEY

ROOT = Path(__file__).parents[2]
NAME = "mapreduce"
FUNCTION_KEY = "the key of the function of tests"


class Functions(NamedTuple):
    """The service, and a client of it."""

    service: LambdaLocal
    client: Any

    def create(
        self, *, memory: int = 512, timeout: int = 60, tmp: int = 512, handler: str = "worker.handler.handle"
    ) -> None:
        """Make the function anew."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as empty:  # all is installed where sandboxes run
            empty.writestr("README", "")
        if any(one["FunctionName"] == NAME for one in self.client.list_functions()["Functions"]):
            self.client.delete_function(FunctionName=NAME)
        self.client.create_function(
            FunctionName=NAME,
            Runtime=RUNTIME,
            Handler=handler,
            Role="arn:aws:iam::000000000000:role/any",
            Code={"ZipFile": archive.getvalue()},
            # Tests are no packages that a job would ship.
            Environment={"Variables": {"PYTHONPATH": str(ROOT), KEY: FUNCTION_KEY}},
            MemorySize=memory,
            EphemeralStorage={"Size": tmp},
            Timeout=timeout,
        )
        self.client.put_function_event_invoke_config(
            FunctionName=NAME,
            MaximumRetryAttempts=0,
            MaximumEventAgeInSeconds=60,
            DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{BUCKET}"}},
        )


@contextmanager
def functions(server: S3Server) -> Iterator[Functions]:
    """A service whose functions use `server`; the environment has its key."""
    with LambdaLocal(s3_endpoint=server.endpoint, site_packages=True, environ=os.environ) as service:
        client = boto3.client("lambda", endpoint_url=service.url, region_name="us-east-1")
        made = Functions(service, client)
        made.create()
        yield made
