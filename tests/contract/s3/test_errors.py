"""What the S3 store says when it cannot be used: what happened, where, and what to do."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mapreduce import MapReduceError, StoreError
from mapreduce.objectstore import Access, open_store
from mapreduce.objectstore.s3 import S3Store
from tests.services.http_proxy import Proxy, always, script, without
from tests.services.s3_servers import BUCKET, Key, S3Server, free_ports, ministack, moto, place, seaweedfs, use

pytestmark = pytest.mark.process

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENY_PUT = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
DENY_ALL = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}


@pytest.fixture(params=[ministack, seaweedfs], ids=lambda server: server.__name__)
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """A server that checks signatures."""
    server: S3Server = request.param()
    use(server.key, monkeypatch)
    return server


def refused(act: Callable[[], object], *words: str, secret: str = "") -> None:
    """`act` fails by one sentence with these words, and the secret is nowhere."""
    with pytest.raises(StoreError) as caught:
        act()
    message = str(caught.value)
    for word in words:
        assert word in message
    assert "\n" not in message
    if secret:
        assert secret not in "".join(traceback.format_exception(caught.value))


ACTS: dict[str, Callable[[S3Store], object]] = {
    "check": lambda store: store.check(),
    "get": lambda store: store.get("a"),
    "put": lambda store: store.put("a", b"1"),
    "put_if_absent": lambda store: store.put_if_absent("a", b"1"),
    "list": lambda store: list(store.list("a")),
    "delete": lambda store: store.delete(["a"]),
}
acts = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


@acts
def test_wrong_secret(server: S3Server, monkeypatch: pytest.MonkeyPatch, act: Callable[[S3Store], object]) -> None:
    """A wrong secret is said to be wrong, and is not shown."""
    secret = "a-wrong-secret-of-nobody"
    use(Key(server.key.id, secret), monkeypatch)
    store = S3Store(place(), Access(endpoint_url=server.endpoint))
    words = (store.url, server.endpoint, "SignatureDoesNotMatch", "the secret access key is wrong")
    refused(lambda: act(store), *words, secret=secret)
    assert secret not in repr(store)


@acts
def test_unknown_key(server: S3Server, monkeypatch: pytest.MonkeyPatch, act: Callable[[S3Store], object]) -> None:
    """A key of another service is said to be unknown."""
    secret = "the-secret-of-somebody-else"
    use(Key("AKIAOFSOMEBODYELSE00", secret), monkeypatch)
    store = S3Store(place(), Access(endpoint_url=server.endpoint))
    refused(lambda: act(store), store.url, server.endpoint, "InvalidAccessKeyId", "use credentials of", secret=secret)


@acts
def test_absent_bucket(server: S3Server, act: Callable[[S3Store], object]) -> None:
    """A bucket that does not exist is named, and is not taken for an object that does not."""
    store = S3Store("no-such-bucket/x", Access(endpoint_url=server.endpoint))
    refused(lambda: act(store), store.url, server.endpoint, "NoSuchBucket", "make the bucket")


@pytest.fixture
def closed_port() -> str:
    """An endpoint at which nobody listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def test_unreachable(server: S3Server, closed_port: str) -> None:
    """A check of an endpoint that does not answer ends soon, and names the endpoint and the setting."""
    store = S3Store(f"{BUCKET}/x", Access(endpoint_url=closed_port))
    refused(store.check, store.url, closed_port, "check the setting endpoint_url")


def test_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that may read but not write are refused by the check."""
    server = ministack()
    use(server.user("reader", ALLOW, DENY_PUT), monkeypatch)
    store = S3Store(place(), Access(endpoint_url=server.endpoint))
    refused(store.check, "cannot write", store.url, server.endpoint, "AccessDenied", "give them the right")
    assert list(store.list("")) == []


def test_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that may do nothing are told so by all requests, and no object is taken for missing."""
    server = ministack()
    use(server.user("denied-all", DENY_ALL), monkeypatch)
    store = S3Store(place(), Access(endpoint_url=server.endpoint))
    for act in ACTS.values():
        refused(lambda act=act: act(store), store.url, server.endpoint, "AccessDenied")  # type: ignore[misc]
    refused(lambda: store.size("a"), store.url, "AccessDenied")


@pytest.fixture
def careless() -> Iterator[Proxy]:
    """A service that ignores conditions."""
    with Proxy(moto().endpoint) as proxy:  # moto checks no signatures, and so misses no header
        proxy.script = script(without("If-None-Match"), when=always)
        yield proxy


def test_no_conditional_writes(careless: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service on which two attempts could commit the same task is refused, and the check leaves nothing."""
    use(moto().key, monkeypatch)
    store = S3Store(place(), Access(endpoint_url=careless.endpoint))
    refused(store.check, store.url, careless.endpoint, "does not create objects exclusively", "use a service that does")
    assert list(store.list("")) == []


def test_no_credentials(closed_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no credentials the message says where they belong."""
    use(Key("", ""), monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = S3Store(f"{BUCKET}/x", Access(endpoint_url=closed_port))
    for act in ACTS.values():
        with pytest.raises(MapReduceError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the setting profile"):
            act(store)


def test_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile of AWS's configuration files gives credentials, and wins over the environment."""
    server = ministack()
    use(Key("AKIAOFSOMEBODYELSE00", "the-secret-of-somebody-else"), monkeypatch)
    file = tmp_path / "credentials"
    file.write_text(f"[mine]\naws_access_key_id = {server.key.id}\naws_secret_access_key = {server.key.secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    store = open_store(f"s3://{place()}", access=Access(endpoint_url=server.endpoint, profile="mine"))
    store.check()
    store.put("a", b"1")
    assert store.put_if_absent("b", b"2")
    assert [store.get(info.key) for info in store.list("")] == [b"1", b"2"]
    assert server.key.secret not in repr(store)


def test_unknown_profile(closed_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that does not exist is named."""
    use(Key("KEY", "secret"), monkeypatch)
    store = S3Store(f"{BUCKET}/x", Access(endpoint_url=closed_port, profile="nobody's"))
    for act in ACTS.values():
        with pytest.raises(MapReduceError, match=r"profile.*nobody's"):
            act(store)


def test_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an endpoint in the settings AWS's own variables name one."""
    server = ministack()
    use(server.key, monkeypatch)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, server.endpoint)
        store = open_store(f"s3://{place()}")
        store.put("a", name.encode())
        assert [store.get(info.key) for info in store.list("")] == [name.encode()]
        monkeypatch.delenv(name)
