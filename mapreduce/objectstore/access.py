"""What it takes to reach stores beside their URLs, which are shown, logged and written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Access:
    """How stores are reached.

    It travels in payloads and nowhere else, and its secrets are never shown.

    Attributes:
        endpoint_url: of the S3 service; "" for what the environment says, else AWS.
        profile: of the AWS configuration files; "" for the usual chain of credentials.
        redis_username: for Redis ACL users; "" for the default user.
        redis_password: for Redis; "" for none.
        redis_secret: where the password for Redis is found, as "ssm:NAME" or "secretsmanager:NAME"; "" for nowhere.
    """

    endpoint_url: str = ""
    profile: str = ""
    redis_username: str = ""
    redis_password: str = field(default="", repr=False)
    redis_secret: str = ""

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON."""
        return {name: value for name, value in asdict(self).items() if value}
