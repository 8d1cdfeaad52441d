"""The account: requests to its services, whose refusals become errors that say what to do."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from driver.deploy.errors import AwsError
from mapreduce.errors import ConfigError

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "403"}
_REMEDIES = {
    "NoCredentialsError": "; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile (--profile)",
    "InvalidClientTokenId": "; use credentials of this account (AWS_ACCESS_KEY_ID, --profile)",
    "UnrecognizedClientException": "; use credentials of this account (AWS_ACCESS_KEY_ID, --profile)",
    "SignatureDoesNotMatch": "; the secret access key is wrong (AWS_SECRET_ACCESS_KEY, --profile)",
    "ExpiredToken": "; renew the credentials",
    "ExpiredTokenException": "; renew the credentials",
    "EndpointConnectionError": "; check the region and the network",
    "ConnectTimeoutError": "; check the region and the network",
}


class Aws:
    """One account in one region.

    Args:
        region: "" for what the environment or the profile says.
        profile: of the AWS configuration files; "" for the usual chain of credentials.

    Raises:
        ConfigError: there is no such profile, or no region is given.
    """

    def __init__(self, region: str = "", profile: str = "") -> None:
        import boto3
        from botocore.exceptions import ProfileNotFound

        region = region or os.environ.get("AWS_REGION", "")
        try:
            self._session = boto3.Session(region_name=region or None, profile_name=profile or None)
        except ProfileNotFound as error:
            raise ConfigError(f"profile: {error}") from None
        if not self._session.region_name:
            raise ConfigError("no region is given: say --region, or set AWS_REGION")
        self.region: str = self._session.region_name
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(self, service: str, operation: str, **arguments: Any) -> Any:
        """What an operation answers, as boto3 names both: `call("s3", "head_bucket", Bucket=...)`.

        Raises:
            AwsError: it refuses, or does not answer.
        """
        with self._told(service, operation):
            return getattr(self._client(service), operation)(**arguments)

    def pages(self, service: str, operation: str, **arguments: Any) -> Iterator[Any]:
        """The answers of an operation that gives its results page by page."""
        with self._told(service, operation):
            yield from self._client(service).get_paginator(operation).paginate(**arguments)

    @contextmanager
    def _told(self, service: str, operation: str) -> Iterator[None]:
        """Turns the errors of boto3 into ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            told = error.response.get("Error", {})
            code, reason = str(told.get("Code", "")), str(told.get("Message", ""))
            raise self._failed(service, operation, code, reason) from error
        except BotoCoreError as error:
            raise self._failed(service, operation, type(error).__name__, str(error)) from error

    @cached_property
    def account(self) -> str:
        """Number of the account; asking for it needs no permission."""
        return str(self.call("sts", "get_caller_identity")["Account"])

    @property
    def partition(self) -> str:
        """The group of regions that share accounts: mostly "aws"."""
        return str(self._session.get_partition_for_region(self.region))

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                config = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 6})
                self._clients[service] = self._session.client(service, config=config)
            return self._clients[service]

    def _failed(self, service: str, operation: str, code: str, reason: str) -> AwsError:
        action = f"{service}:{''.join(word.capitalize() for word in operation.split('_'))}"
        remedy = _REMEDIES.get(code, "")
        if code in _DENIED:
            remedy = "; the credentials in use may not do this: see `mapreduce deploy --print-policy`"
        return AwsError(f"{action} in {self.region} failed: {code}: {reason}{remedy}", code, reason)
