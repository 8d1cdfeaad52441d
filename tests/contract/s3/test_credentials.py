"""Credentials that expire while they are in use: new ones are taken from where they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mapreduce import StoreError, UnreachableStore
from mapreduce.objectstore import Access
from mapreduce.objectstore.s3 import S3Store
from tests.services.http_proxy import Fault, Proxy, Request, always, refuse, reset, script
from tests.services.s3_servers import Key, S3Server, place, use

pytestmark = pytest.mark.process

OLD = "AKIAOFYESTERDAY00000"
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}

ACTS: dict[str, Callable[[S3Store], object]] = {
    "get": lambda store: store.get("a"),
    "range": lambda store: store.get("a", 0, 1),
    "size": lambda store: store.size("a"),
    "put": lambda store: store.put("b", b"1"),
    "put_if_absent": lambda store: store.put_if_absent("c", b"1"),
    "list": lambda store: list(store.list("")),
    "folders": lambda store: list(store.folders("")),
    "move": lambda store: store.move("a", "d"),
    "delete": lambda store: store.delete(["a"]),
    "sweep": lambda store: store.sweep(""),
}
acts = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


class Profile:
    """A file of credentials, as tools rewrite it that log people in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, key: Key) -> None:
        """Put these credentials into the file."""
        self.path.write_text(f"[mine]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n")


@pytest.fixture
def profile(tmp_path: Path, server: S3Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """A profile with credentials that the service calls expired."""
    use(server.key, monkeypatch)
    profile = Profile(tmp_path / "credentials")
    profile.write(Key(OLD, "a-secret-of-yesterday"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile.path))
    expired = refuse(400, "ExpiredToken")

    def judge(request: Request) -> Fault | None:
        signed = {name.lower(): value for name, value in request.headers}.get("authorization", "")
        return expired if OLD in signed else None

    proxy.script = judge
    return profile


@pytest.fixture
def store(proxy: Proxy, profile: Profile, direct: S3Store) -> S3Store:
    """A store whose credentials come from the profile."""
    store = S3Store(f"{direct.bucket}/{direct.prefix}", Access(endpoint_url=proxy.endpoint, profile="mine"))
    with pytest.raises(UnreachableStore):  # both clients are made, with the old credentials
        store.get("a")
    with pytest.raises(UnreachableStore):
        list(store.list(""))
    return store


@pytest.fixture
def direct(server: S3Server) -> S3Store:
    """The same objects, reached past the proxy."""
    return S3Store(place(), Access(endpoint_url=server.endpoint))


@acts
def test_new_credentials(
    server: S3Server, profile: Profile, direct: S3Store, store: S3Store, act: Callable[[S3Store], object]
) -> None:
    """When the file has new credentials the request is made with them, and its caller notices nothing."""
    direct.put("a", b"1")
    with pytest.raises(UnreachableStore):  # so the client that it takes has old ones
        act(store)
    profile.write(server.key)
    act(store)


@acts
def test_old_credentials(store: S3Store, act: Callable[[S3Store], object]) -> None:
    """While there are none the error says what is wrong, and that it may pass."""
    with pytest.raises(UnreachableStore) as caught:
        act(store)
    if act is not ACTS["size"] and act is not ACTS["move"]:  # answers to HEAD have no body
        assert "ExpiredToken" in str(caught.value)
        assert "renew the credentials" in str(caught.value)


def test_one_renewal_for_all(server: S3Server, profile: Profile, proxy: Proxy, store: S3Store) -> None:
    """What is found out by one request serves the next ones."""
    profile.write(server.key)
    store.put("a", b"1")
    proxy.requests.clear()
    for _ in range(3):
        assert store.get("a") == b"1"
    assert sum(proxy.counts().values()) == 3


def test_credentials_of_the_environment(
    server: S3Server, profile: Profile, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials of the environment cannot be renewed: the error is final."""
    use(Key(OLD, "a-secret-of-yesterday"), monkeypatch)
    store = S3Store(place(), Access(endpoint_url=proxy.endpoint))
    for name in ("get", "put", "list", "delete"):
        with pytest.raises(StoreError, match=r"ExpiredToken.*renew the credentials") as caught:
            ACTS[name](store)
        assert not isinstance(caught.value, UnreachableStore)


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (refuse(503, "SlowDown"), True),
        (refuse(500, "InternalError"), True),
        (refuse(403, "RequestTimeTooSkewed"), True),
        (reset, True),
        (refuse(403, "AccessDenied"), False),
        (refuse(404, "NoSuchBucket"), False),
        (refuse(403, "SignatureDoesNotMatch"), False),
    ],
    ids=["overload", "internal", "clock", "reset", "rights", "bucket", "secret"],
)
def test_what_may_pass(
    server: S3Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault, *, passes: bool
) -> None:
    """Errors tell whether waiting can help."""
    monkeypatch.setattr("mapreduce.objectstore.s3.clients.RETRIES", 0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(1 + passes))  # other clients than those of other tests
    proxy.script = script(fault, when=always)
    store = S3Store(place(), Access(endpoint_url=proxy.endpoint))
    for name in ("get", "put", "put_if_absent", "list", "delete"):
        with pytest.raises(StoreError) as caught:
            ACTS[name](store)
        assert isinstance(caught.value, UnreachableStore) is passes, name
