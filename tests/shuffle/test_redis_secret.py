"""Where the password of Redis comes from when only a reference to it is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapreduce import ConfigError
from mapreduce.errors import StoreError
from mapreduce.objectstore import Access
from shuffle.redis import secret
from shuffle.redis.address import Credentials
from shuffle.redis.secret import read_secret
from shuffle.registry import open_shuffle
from tests.services import redis_servers
from tests.services.s3_servers import ministack, use

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An emulated AWS, and a process that has asked for nothing."""
    server = ministack()
    use(server.root, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    secret._read.cache_clear()
    yield
    secret._read.cache_clear()


def keep(service: str, name: str, value: str) -> None:
    """Keep a secret."""
    server = ministack()
    client = server.client(service, server.root)
    if service == "ssm":
        client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    else:
        client.create_secret(Name=name, SecretString=value)


def test_a_parameter() -> None:
    """A parameter holds the password; the username is the setting's."""
    keep("ssm", "/mapreduce/one", "open sesame")
    assert read_secret("ssm:/mapreduce/one", "worker") == Credentials("worker", "open sesame")


def test_a_secret_as_json() -> None:
    """A secret may hold both, as Secrets Manager itself makes them."""
    keep("secretsmanager", "two", '{"username": "default", "password": "open sesame"}')
    assert read_secret("secretsmanager:two", "worker") == Credentials("default", "open sesame")


def test_it_is_asked_once() -> None:
    """What was read once is kept as long as the process."""
    keep("ssm", "/mapreduce/three", "first")
    read_secret("ssm:/mapreduce/three")
    keep("ssm", "/mapreduce/three", "second")
    assert read_secret("ssm:/mapreduce/three").password == "first"


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("ssm:/no/such", "redis_secret: there is no ssm:/no/such"),
        ("secretsmanager:nobody", "redis_secret: there is no secretsmanager:nobody"),
        ("open sesame", "it must say where a secret is"),
    ],
)
def test_no_such_secret(reference: str, told: str) -> None:
    """It is told where nothing is; what cannot be a reference may be the secret itself, and is not shown."""
    with pytest.raises(ConfigError, match=told) as caught:
        read_secret(reference)
    assert "sesame" not in str(caught.value)


def test_json_without_a_password() -> None:
    """What is kept there is not shown."""
    keep("ssm", "/mapreduce/four", '{"pasword": "open sesame"}')
    with pytest.raises(ConfigError, match="holds JSON without a password") as caught:
        read_secret("ssm:/mapreduce/four")
    assert "sesame" not in str(caught.value)


def test_who_may_not_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to allow."""
    keep("ssm", "/mapreduce/five", "open sesame")
    use(ministack().user("nobody", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}), monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack().endpoint)
    with pytest.raises(StoreError, match="allow ssm:GetParameter"):
        read_secret("ssm:/mapreduce/five")


def test_a_store_that_is_opened_by_it() -> None:
    """A store finds its password by the reference, and its URL and access never show it."""
    server = redis_servers.RedisServer(password="open sesame")
    try:
        keep("ssm", "/mapreduce/six", "open sesame")
        access = Access(redis_secret="ssm:/mapreduce/six")
        store = open_shuffle(server.url, access)
        assert store.check(0) is not None
        assert "sesame" not in f"{store.url}{access}{access.to_json()}"
    finally:
        server.kill()
