"""Clients of S3: one of each kind for an endpoint in a process, made anew when credentials have expired."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from functools import lru_cache
from typing import Any

from mapreduce.errors import ConfigError
from mapreduce.objectstore.access import Access

#: Requests of one store at once that pay.
CONCURRENCY = 16
_CONNECT_TIMEOUT = 5.0
#: Seconds without a byte after which a request has stalled.
READ_TIMEOUT = 15.0
_TIMEOUT = 120.0
#: How often a request is repeated.
RETRIES = 8

_lock = threading.Lock()


def endpoint_of(access: Access) -> str:
    """The endpoint to use; "" for AWS's own."""
    return access.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


class Renewals:
    """How many times credentials were found to have expired: clients are made anew for each."""

    number = 0


def renewable(access: Access) -> bool:
    """Whether credentials come from where there may be new ones: files, a command, a service."""
    return bool(access.profile) or not _native_credentials()


def renew(access: Access, used: int) -> bool:
    """Have credentials looked up again, unless somebody has done so since the `used` ones; whether that may help."""
    if not renewable(access):
        return False
    with _lock:
        if Renewals.number == used:
            Renewals.number += 1
    return True


def _environment() -> Any:
    """What clients depend on beside their arguments, so that whoever changes it gets what it says."""
    return Renewals.number, *sorted((k, v) for k, v in os.environ.items() if k.startswith("AWS_"))


def obstore_client(bucket: str, access: Access) -> Any:
    """The client of obstore for a bucket, by what the environment says now."""
    return _new_obstore(bucket, access, _environment())


@lru_cache(maxsize=64)
def _new_obstore(bucket: str, access: Access, _environment: Any) -> Any:
    """The client of a bucket: one in each process."""
    from obstore.store import S3Store as Client

    # The service refuses what was damaged on the way.
    config: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    endpoint = endpoint_of(access)
    if endpoint:
        config["endpoint"] = endpoint
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    provider = None
    if access.profile or not _native_credentials():
        provider = _Credentials(access)
        region = region or provider.region
    if region:
        config["region"] = region
    return Client(
        bucket,
        **config,
        credential_provider=provider,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT),
            "read_timeout": timedelta(seconds=READ_TIMEOUT),
            "timeout": timedelta(seconds=_TIMEOUT),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=180)},
    )


def _native_credentials() -> bool:
    """Whether the environment itself has credentials, as it has in a function; else AWS's files may."""
    return "AWS_ACCESS_KEY_ID" in os.environ and "AWS_SECRET_ACCESS_KEY" in os.environ


class _Credentials:
    """Credentials by the usual chain, for obstore."""

    def __init__(self, access: Access) -> None:
        session = _session(access)
        self.region = session.get_config_variable("region")
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise ConfigError(
                "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile"
            )

    def __call__(self) -> Any:
        """The credentials now; the client asks again when they have expired."""
        from datetime import UTC, datetime

        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(minutes=10),
        }


def _session(access: Access) -> Any:
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    session = Session(profile=access.profile or None)
    try:
        session.get_scoped_config()
    except ProfileNotFound as error:
        raise ConfigError(f"profile: {error}") from None
    return session


def boto3_client(access: Access, *, patient: bool = True) -> Any:
    """The client of boto3, likewise; one that is not patient gives up within ten seconds."""
    with _lock:  # making clients is not safe between threads
        return _new_boto3(access, patient, _environment())


@lru_cache(maxsize=16)
def _new_boto3(access: Access, patient: bool, _environment: Any) -> Any:  # noqa: FBT001 - lru_cache keys by position
    """The boto3 client for an endpoint: one in each process."""
    import boto3
    from botocore.config import Config

    return boto3.Session(botocore_session=_session(access)).client(
        "s3",
        endpoint_url=endpoint_of(access) or None,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT if patient else 2,
            read_timeout=READ_TIMEOUT if patient else 3,
            retries={"mode": "standard", "total_max_attempts": RETRIES + 1 if patient else 2},
            max_pool_connections=CONCURRENCY,
        ),
    )
