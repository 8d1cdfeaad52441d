"""URLs of Redis shuffle stores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mapreduce import ConfigError
from shuffle import open_shuffle
from shuffle.redis import split_credentials
from shuffle.redis.address import Address, Credentials, Host, Servers, parse_address

ONE = (Host("cache", 6379),)


@pytest.mark.parametrize(
    ("url", "clean", "username", "password"),
    [
        ("redis://cache:6379/0", "redis://cache:6379/0", "", ""),
        ("redis://:secret@cache", "redis://cache", "", "secret"),
        ("rediss://me:secret@cache:1/2?ttl=5", "rediss://cache:1/2?ttl=5", "me", "secret"),
        ("redis://me@cache", "redis://cache", "me", ""),
        ("redis://me:a:b@one,two:7/0", "redis://one,two:7/0", "me", "a:b"),
        ("redis://m%40e:%2F%3F%23%25@cache", "redis://cache", "m@e", "/?#%"),
    ],
)
def test_credentials_are_taken_out(url: str, clean: str, username: str, password: str) -> None:
    """What is left of the URL says where Redis is, and no more."""
    assert split_credentials(url) == (clean, username, password)
    assert split_credentials(clean) == (clean, "", "")


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:sec@ret@cache",
        "redis://me:sec/ret@cache/0",
        "redis://me:sec?ret@cache",
        "redis://me:sec#ret@cache",
        "redis://me:secret@one,me:secret@two",
    ],
)
def test_ambiguous_credentials_are_refused(url: str) -> None:
    """Where it cannot be said what is secret, nothing is shown."""
    with pytest.raises(ConfigError, match=r"shuffle: .*%40") as caught:
        split_credentials(url)
    assert "sec" not in str(caught.value)
    assert "ret" not in str(caught.value).replace("credentials", "")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address(url="", servers=Servers(hosts=ONE, tls=False))),
        ("redis://cache:6379/", Address(url="", servers=Servers(hosts=ONE, tls=False))),
        ("rediss://cache:7/0", Address(url="", servers=Servers(hosts=(Host("cache", 7),), tls=True))),
        ("redis://cache/3", Address(url="", servers=Servers(hosts=ONE, tls=False, database=3))),
        ("redis://cache?cluster=true", Address(url="", servers=Servers(hosts=ONE, tls=False, cluster=True))),
        ("redis://cache?cluster=false", Address(url="", servers=Servers(hosts=ONE, tls=False))),
        ("redis://cache?ttl=60&full=fail", Address(url="", servers=Servers(hosts=ONE, tls=False), ttl=60, spill=False)),
        ("redis://cache?full=spill", Address(url="", servers=Servers(hosts=ONE, tls=False), ttl=86_400, spill=True)),
        (
            "redis://one:1,10.0.0.2,[::1]:3,[fe80::2]/0",
            Address(
                url="",
                servers=Servers(
                    hosts=(Host("one", 1), Host("10.0.0.2", 6379), Host("::1", 3), Host("fe80::2", 6379)), tls=False
                ),
            ),
        ),
    ],
)
def test_what_urls_say(url: str, address: Address) -> None:
    """Nodes, database, cluster, life time and what happens when Redis is full."""
    found = parse_address(url)
    assert found.url == url
    assert found.servers == address.servers
    assert (found.ttl, found.spill) == (address.ttl, address.spill)


def test_hosts_are_shown_as_they_are_written() -> None:
    """IPv6 addresses stand in brackets."""
    assert list(map(str, parse_address("redis://one:1,[::1]").servers.hosts)) == ["one:1", "[::1]:6379"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://", "'' is no host"),
        ("redis://cache:0", "'cache:0' is no host"),
        ("redis://cache:66000", "'cache:66000' is no host"),
        ("redis://cache:port", "'cache:port' is no host"),
        ("redis://one,,two", "'' is no host"),
        ("redis://::1", "'::1' is no host"),
        ("redis://cache/x", "the database after the /"),
        ("redis://cache/0/1", "the database after the /"),
        ("redis://cache/-1", "the database after the /"),
        ("redis://cache/1?cluster=true", "a Redis Cluster has database 0 alone"),
        ("redis://cache#a", "ends in #a"),
        ("redis://cache?ttl=0", "ttl in the Redis URL .* '0'"),
        ("redis://cache?ttl=1.5", "ttl in the Redis URL .* '1.5'"),
        ("redis://cache?ttl=", "ttl in the Redis URL .* ''"),
        ("redis://cache?full=maybe", "full in the Redis URL is spill or fail, not 'maybe'"),
        ("redis://cache?cluster=yes", "cluster in the Redis URL is false or true, not 'yes'"),
        ("redis://cache?ttl=5&ttl=6", "ttl twice"),
        ("redis://cache?password=secret", "no option 'password'; there are ca_certs, cluster, full, ttl"),
        ("redis://cache?ca_certs=a.pem", "ca_certs is for rediss://"),
        ("rediss://cache?ca_certs=/no/such.pem", "there is no file /no/such.pem"),
    ],
)
def test_bad_urls_are_refused(url: str, message: str) -> None:
    """The error names the setting and the part that is wrong, not the rest, which may be secret."""
    with pytest.raises(ConfigError, match=f"^shuffle: .*{message}") as caught:
        open_shuffle(url.replace("://", "://me:secret@"))
    assert "secret" not in str(caught.value)


def test_certificates_are_read_where_they_are(tmp_path: Path) -> None:
    """The file of a private authority is named by its path."""
    path = tmp_path / "ca.pem"
    path.touch()
    assert parse_address(f"rediss://cache?ca_certs={path}").servers.ca_certs == str(path)


def test_passwords_are_not_shown() -> None:
    """Not even by who holds them."""
    assert "secret" not in repr(Credentials("me", "secret"))


@pytest.mark.process
def test_settings_need_no_client() -> None:
    """Taking credentials out of a URL does not wait for redis-py to be imported."""
    code = "import sys; from shuffle.redis import split_credentials; print('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
