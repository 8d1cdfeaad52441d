"""The password of Redis by reference: where it is kept, not what it is.

ssm:/path/of/it: a parameter of AWS Systems Manager, encrypted or not.
secretsmanager:name: a secret of AWS Secrets Manager, by name or ARN.

What is kept is the password, or a JSON object with `password` and, where there is one, `username`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from mapreduce.errors import ConfigError, StoreError
from shuffle.redis.address import Credentials

# Thousands of workers may ask at once, and the service allows some tens a second.
_TRIES = 12


def read_secret(reference: str, username: str = "", profile: str = "") -> Credentials:
    """The credentials that are kept there; a process asks once.

    Args:
        reference: as above.
        username: whose password it is, where the secret does not say.
        profile: of AWS's configuration files; "" for the usual chain of credentials.

    Raises:
        ConfigError: the reference cannot be understood, or there is no such secret, or it holds no password.
        StoreError: it cannot be read; neither message shows what it holds.
    """
    found, password = _read(reference, profile)
    return Credentials(found or username, password)


@lru_cache(maxsize=8)
def _read(reference: str, profile: str) -> tuple[str, str]:
    service, _, name = reference.partition(":")
    text = _value(service, name, profile)
    if not text.startswith("{"):
        return "", text
    try:
        fields = json.loads(text)
        return str(fields.get("username") or ""), str(fields["password"])
    except (ValueError, KeyError):
        raise ConfigError(f"redis_secret: {reference} holds JSON without a password") from None


def _value(service: str, name: str, profile: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    if service not in ("ssm", "secretsmanager") or not name:
        raise ConfigError("redis_secret: it must say where a secret is, as ssm:NAME or secretsmanager:NAME")
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": _TRIES})
    try:
        client: Any = boto3.Session(profile_name=profile or None).client(service, config=config)
        if service == "ssm":
            return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
        return str(client.get_secret_value(SecretId=name)["SecretString"])
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("ParameterNotFound", "ResourceNotFoundException"):
            raise ConfigError(f"redis_secret: there is no {service}:{name}") from None
        raise StoreError(f"redis_secret: {service}:{name} cannot be read ({code}): {_remedy(service)}") from None
    except KeyError:
        raise ConfigError(f"redis_secret: {service}:{name} holds no text") from None
    except BotoCoreError as error:
        raise StoreError(f"redis_secret: {service}:{name} cannot be read: {error}; {_remedy(service)}") from None


def _remedy(service: str) -> str:
    action = "ssm:GetParameter" if service == "ssm" else "secretsmanager:GetSecretValue"
    return f"allow {action} and, in a VPC, have an endpoint of {service} there"
