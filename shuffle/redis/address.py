"""The URL of a Redis shuffle store.

redis://host:6379/0: one node; /0 is its database, and may be left out.
rediss://host:6379?ca_certs=ca.pem: with TLS; ca_certs names a private certification authority.
redis://one:6379,two:6379,three:6379: several nodes; the client spreads the keys over them.
redis://host:6379?cluster=true: a Redis Cluster, of which any node may be named.
redis://host:6379?ttl=3600: what is left behind expires after an hour, by default after a day.
redis://host:6379?full=fail: what does not fit is an error; by default it spills to the object store.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from mapreduce.errors import ConfigError

_HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\s:/?#\[\]@,]+)(?::([0-9]{1,5}))?")
_PORT = 6379
_DAY = 86_400
# More seconds than anybody means.
_LONGEST = 366 * _DAY


class Host(NamedTuple):
    """Where a node listens."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True)
class Credentials:
    """Who asks: each is "" for none; no username is that of the default user."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Which nodes there are, and how to speak with them.

    Attributes:
        hosts: of the nodes; of a cluster those that are asked first.
        tls: whether they speak TLS.
        ca_certs: file with the certificates of the authorities to trust; "" for those of the system.
        database: number of the database.
        cluster: whether they are a Redis Cluster.
    """

    hosts: tuple[Host, ...]
    tls: bool
    ca_certs: str = ""
    database: int = 0
    cluster: bool = False


@dataclass(frozen=True, kw_only=True)
class Address:
    """What the URL of a Redis shuffle store says.

    Attributes:
        url: it says the same, and no credentials.
        servers: the nodes.
        ttl: seconds after which what is left behind expires.
        spill: whether what does not fit goes to the object store; else it is an error.
    """

    url: str
    servers: Servers
    ttl: int = _DAY
    spill: bool = True


def split_credentials(url: str) -> tuple[str, str, str]:
    """The Redis URL `url` without credentials, the username and the password that it has, each "" for none.

    Raises:
        ConfigError: it cannot be said where the credentials end; the message does not show them.
    """
    scheme, _, rest = url.partition("://")
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    credentials, _, hosts = place.rpartition("@")
    tail = rest[len(place) :]
    if "@" in credentials + tail:
        raise ConfigError(
            "shuffle: the Redis URL has an @ where none belongs: write username and password once, before the first"
            " host, and in them %40 for @, %3A for :, %2F for /, %3F for ?, %23 for #"
        )
    username, _, password = credentials.partition(":")
    return f"{scheme}://{hosts}{tail}", unquote(username), unquote(password)


def parse_address(url: str) -> Address:
    """What `url`, which has no credentials, says.

    Raises:
        ConfigError: it cannot be understood; the message tells which part of it.
    """
    scheme, _, rest = url.partition("://")
    rest, _, fragment = rest.partition("#")
    if fragment:
        raise ConfigError(f"shuffle: the Redis URL ends in #{fragment}, which means nothing")
    rest, _, query = rest.partition("?")
    place, _, path = rest.partition("/")
    options = _options(query)
    cluster = _one_of(options, "cluster", {"false": False, "true": True})
    database = _number(path, "the database after the /", 0, 1_000_000) if path else 0
    if cluster and database:
        raise ConfigError(f"shuffle: a Redis Cluster has database 0 alone, not {database}")
    ca_certs = options.get("ca_certs", "")
    if ca_certs and scheme != "rediss":
        raise ConfigError("shuffle: ca_certs is for rediss:// alone, which speaks TLS")
    if ca_certs and not os.path.isfile(ca_certs):
        raise ConfigError(f"shuffle: ca_certs: there is no file {ca_certs}")
    return Address(
        url=url,
        servers=Servers(
            hosts=tuple(map(_host, place.split(","))),
            tls=scheme == "rediss",
            ca_certs=ca_certs,
            database=database,
            cluster=cluster,
        ),
        ttl=_number(options.get("ttl", str(_DAY)), "ttl", 1, _LONGEST),
        spill=_one_of(options, "full", {"spill": True, "fail": False}),
    )


def _options(query: str) -> dict[str, str]:
    known = ("ca_certs", "cluster", "full", "ttl")
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:  # what it has for a value may be a secret
            raise ConfigError(f"shuffle: a Redis URL has no option {name!r}; there are {', '.join(known)}")
        if name in options:
            raise ConfigError(f"shuffle: the Redis URL has {name} twice")
        options[name] = value
    return options


def _host(text: str) -> Host:
    match = _HOST.fullmatch(text)
    port = int(match[2] or _PORT) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise ConfigError(f"shuffle: {text!r} is no host of Redis; write it like cache.example.com:6379")
    return Host(match[1].strip("[]"), port)


def _number(text: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch("[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise ConfigError(f"shuffle: {name} in the Redis URL must be a whole number from {least} to {most}: {text!r}")
    return int(text)


def _one_of(options: dict[str, str], name: str, meanings: dict[str, bool]) -> bool:
    """What an option means; the first of `meanings` if it is not given."""
    text = options.get(name, next(iter(meanings)))
    if text not in meanings:
        raise ConfigError(f"shuffle: {name} in the Redis URL is {' or '.join(meanings)}, not {text!r}")
    return meanings[text]
