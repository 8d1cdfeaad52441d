"""S3 as the service needs it: code comes from there, and records of failed events go there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from driver.lambda_local.errors import invalid


class Remote:
    """The S3 service at `endpoint`; "" is AWS's own.

    Credentials and region are those of `environ` (AWS_ACCESS_KEY_ID and so on), else of boto3's chain.
    Methods block.
    """

    def __init__(self, endpoint: str, region: str, environ: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._region = region
        self._environ = environ

    def get(self, bucket: str, key: str, version: str | None = None) -> bytes:
        """An object's content; it is refused when it cannot be read."""
        from botocore.exceptions import BotoCoreError, ClientError

        more = {"VersionId": version} if version else {}
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise invalid(f"Error occurred while GetObject of s3://{bucket}/{key}: {error}") from None
        return body

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=bucket, Key=key, Body=body)

    @cached_property
    def _client(self) -> Any:
        import boto3

        session = boto3.Session(
            aws_access_key_id=self._environ.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=self._environ.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=self._environ.get("AWS_SESSION_TOKEN"),
            region_name=self._region,
        )
        return session.client("s3", endpoint_url=self._endpoint or None)
