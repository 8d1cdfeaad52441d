"""The S3 store when requests fail: before a real server stands a proxy that fails them by script."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mapreduce import StoreError
from mapreduce.objectstore.s3 import S3Store, clients
from tests.services.http_proxy import Fault, Proxy, always, lose, refuse, reset, reset_after, script, stall, truncate

pytestmark = pytest.mark.process

DATA = bytes(range(256)) * 400

REFUSALS = {
    "503": refuse(503, "SlowDown"),
    "500": refuse(500, "InternalError"),
    "429": refuse(429, "TooManyRequests"),
    "reset": reset,
}
READS = {**REFUSALS, "reset in the body": reset_after(70_000), "truncated": truncate(70_000)}
WRITES = {**REFUSALS, "lost answer": lose}
GETS = ("get", "ranged get")

reads = pytest.mark.parametrize("fault", READS.values(), ids=READS)
writes = pytest.mark.parametrize("fault", WRITES.values(), ids=WRITES)


def total(proxy: Proxy) -> int:
    """How many requests came."""
    return sum(proxy.counts().values())


def put_large(store: S3Store, data: bytes) -> None:
    """Write an object piece by piece."""
    with store.create("large") as writer:
        for start in range(0, len(data), 1 << 20):
            writer.write(data[start : start + (1 << 20)])


@reads
def test_reads_are_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault) -> None:
    """A read that failed once gives the right bytes all the same, by one more request."""
    direct.put("a", DATA)
    for start, end in ((0, None), (100, 100_000)):
        proxy.script = script(fault, *GETS)
        proxy.requests.clear()
        assert store.get("a", start, end) == DATA[start:end]
        assert total(proxy) == 2


@reads
def test_streams_are_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault) -> None:
    """A request in the middle of a stream may fail."""
    data = DATA * 200
    put_large(direct, data)
    proxy.script = script(fault, *GETS, when=lambda number: number == 1)
    with store.open("large") as stream:
        assert stream.read() == data
    assert total(proxy) == 4


@writes
def test_writes_are_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault) -> None:
    """A write that failed once ends well, and the object is whole."""
    proxy.script = script(fault, "put")
    store.put("a", DATA)
    assert proxy.counts() == {"put": 2}
    assert direct.get("a") == DATA


@writes
@pytest.mark.parametrize("kind", ["begin multipart", "part", "complete multipart"])
def test_large_writes_are_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault, kind: str) -> None:
    """Any request of a large write may fail."""
    data = DATA * 100
    proxy.script = script(fault, kind)
    put_large(store, data)
    assert direct.get("large") == data


@writes
@pytest.mark.parametrize("kind", ["head", "copy", "delete many", "list"])
def test_other_requests_are_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault, kind: str) -> None:
    """Any request of a look, a move, a listing or a delete may fail."""
    direct.put("a", DATA)
    proxy.script = script(fault, kind)
    assert store.size("a") == len(DATA)
    store.move("a", "b")
    assert [tuple(info) for info in store.list("")] == [("b", len(DATA))]
    store.delete(["b"])
    assert proxy.counts()[kind] >= 2
    assert list(direct.list("")) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", [refuse(503, "SlowDown"), reset], ids=["503", "reset"])
def test_one_in_three_fails(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault) -> None:
    """Everything is done in the end, however often single requests fail."""
    data = DATA * 200
    proxy.script = script(fault, when=lambda number: number % 3 == 0)
    put_large(store, data)
    for number in range(5):
        store.put(f"some/{number}", b"%d" % number)
        assert store.get(f"some/{number}") == b"%d" % number
    assert store.put_if_absent("once", b"1")
    assert not store.put_if_absent("once", b"2")
    assert store.get("large") == data
    store.move("some/4", "moved")
    store.delete(["some/0", "some/1"])
    expected = {"large": data, "moved": b"4", "once": b"1", "some/2": b"2", "some/3": b"3"}
    assert [tuple(info) for info in store.list("")] == [(key, len(data)) for key, data in expected.items()]
    assert {key: direct.get(key) for key in expected} == expected


def test_time_of_a_request(store: S3Store) -> None:
    """A request may take so long without an answer."""
    assert store._client.client_options["read_timeout"] == f"{clients.READ_TIMEOUT:g}s"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that are made from now on wait for half a second."""
    monkeypatch.setattr(clients, "READ_TIMEOUT", 0.5)


@pytest.mark.usefixtures("hasty")
def test_stalls_end(proxy: Proxy, store: S3Store, direct: S3Store) -> None:
    """A request without an answer is given up after a while, and repeated."""
    direct.put("a", DATA)
    acts: list[tuple[str, Callable[[], object]]] = [
        ("put", lambda: store.put("b", DATA)),
        ("put", lambda: store.put_if_absent("c", b"1")),
        ("ranged get", lambda: store.get("a")),
        ("list", lambda: list(store.list(""))),
    ]
    for kind, act in acts:
        proxy.script = script(stall, kind)
        proxy.requests.clear()
        act()
        assert proxy.counts() == {kind: 2}
    assert store.get("a") == direct.get("b") == DATA
    assert direct.get("c") == b"1"


@pytest.mark.slow
def test_trouble_without_end(proxy: Proxy, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not recover is an error with its reason, after some tries."""
    monkeypatch.setattr(clients, "RETRIES", 2)
    proxy.script = script(refuse(503, "SlowDown"), when=always)
    acts: list[Callable[[], object]] = [
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: list(store.list("a")),
    ]
    for act in acts:
        proxy.requests.clear()
        with pytest.raises(StoreError, match=rf"{store.url}/a\b.*SlowDown"):
            act()
        assert total(proxy) == 3


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.get("a"),
        lambda store: store.get("a", 3, 9),
        lambda store: store.open("a"),
        lambda store: store.size("a"),
        lambda store: list(store.list("a")),
        lambda store: store.put("a", b"1"),
        lambda store: store.put_if_absent("a", b"1"),
        lambda store: store.delete(["a"]),
    ],
    ids=["get", "range", "open", "size", "list", "put", "put_if_absent", "delete"],
)
def test_refusals_are_not_repeated(
    proxy: Proxy, store: S3Store, act: Callable[[S3Store], object], status: int, code: str
) -> None:
    """What the service will not do it is asked once."""
    proxy.script = script(refuse(status, code), when=always)
    with pytest.raises(StoreError, match=f"{store.url}/a"):
        act(store)
    assert total(proxy) == 1


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
def test_put_if_absent_is_repeated(proxy: Proxy, store: S3Store, direct: S3Store, fault: Fault) -> None:
    """A conditional write that failed once ends well, and tells what became of it."""
    for expected, data in ((True, b"first"), (False, b"second")):
        proxy.script = script(fault, "put")
        assert store.put_if_absent("a", data) is expected
    assert proxy.counts() == {"put": 4}
    assert direct.get("a") == b"first"


def test_put_if_absent_with_a_lost_answer(proxy: Proxy, store: S3Store, direct: S3Store) -> None:
    """When the answer is lost the caller is told False though the object is its own: there is one all the same."""
    proxy.script = script(lose, "put")
    assert not store.put_if_absent("a", b"mine")
    assert direct.get("a") == b"mine"
    assert proxy.counts() == {"put": 2}


def test_put_if_absent_in_conflict(proxy: Proxy, store: S3Store, direct: S3Store) -> None:
    """409, which says that another write of the key is under way, decides nothing: the next answer does."""
    conflict = refuse(409, "ConditionalRequestConflict")
    proxy.script = script(conflict, "put", when=lambda number: number < 3)
    assert store.put_if_absent("a", b"mine")
    assert proxy.counts() == {"put": 4}
    proxy.script = script(conflict, "put")
    assert not store.put_if_absent("a", b"late")
    assert direct.get("a") == b"mine"


def test_put_if_absent_in_endless_conflict(proxy: Proxy, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conflict that does not end is an error, neither True nor False."""
    monkeypatch.setattr(clients, "RETRIES", 2)
    proxy.script = script(refuse(409, "ConditionalRequestConflict"), "put", when=always)
    with pytest.raises(StoreError, match=f"cannot create {store.url}/a"):
        store.put_if_absent("a", b"mine")
    assert proxy.counts() == {"put": 3}
