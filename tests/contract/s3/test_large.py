"""Objects of several parts in the S3 store, and the requests that all objects take."""

from __future__ import annotations

import tracemalloc
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256

import pytest

from mapreduce import StoreError
from mapreduce.objectstore.s3 import S3Store
from tests.services.http_proxy import Proxy, refuse, script
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.process

MB = 1 << 20
PART = 8 * MB

#: What the store calls the requests that the proxy sees.
WORDS = {
    "put": "put",
    "begin multipart": "put",
    "part": "put",
    "complete multipart": "put",
    "get": "get",
    "ranged get": "get",
    "head": "size",
    "list": "list",
    "delete many": "delete",
}


class Broken(Exception):
    """Ends a write in the tests."""


def pieces(count: int) -> Iterator[bytes]:
    """So many different pieces of a megabyte."""
    for number in range(count):
        yield number.to_bytes(4) * (MB // 4)


def write(store: S3Store, count: int) -> None:
    """Write the object `a`, of so many megabytes."""
    with store.create("a") as writer:
        for piece in pieces(count):
            writer.write(piece)


def left(server: S3Server, store: S3Store) -> list[str]:
    """The keys of objects, and of uploads that have begun and not ended."""
    client = server.client()
    uploads = client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.prefix).get("Uploads", [])
    objects = client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix).get("Contents", [])
    return [found["Key"] for found in [*uploads, *objects]]


def test_large_objects_go_in_parts(proxy: Proxy, server: S3Server, store: S3Store, direct: S3Store) -> None:
    """What is longer than a part goes part by part while it is written, and appears whole at the end."""
    with store.create("a") as writer:
        for piece in pieces(20):
            writer.write(piece)
        assert list(direct.list("")) == []
    assert proxy.counts() == {"begin multipart": 1, "part": 4, "complete multipart": 1}
    assert direct.get("a") == b"".join(pieces(20))
    assert left(server, store) == [f"{store.prefix}a"]


def test_small_objects_go_at_once(proxy: Proxy, store: S3Store) -> None:
    """An object that fits into a part costs one request."""
    write(store, 4)
    assert proxy.counts() == {"put": 1}


def test_failed_write_leaves_nothing(proxy: Proxy, server: S3Server, store: S3Store) -> None:
    """A large write that its caller ends by an exception leaves neither object nor upload."""
    with pytest.raises(Broken), store.create("a") as writer:  # noqa: PT012 - as a caller does
        for piece in pieces(20):
            writer.write(piece)
        raise Broken
    assert proxy.counts().get("begin multipart")
    assert left(server, store) == []


@pytest.mark.parametrize("kind", ["begin multipart", "part", "complete multipart"])
def test_refused_write_leaves_nothing(proxy: Proxy, server: S3Server, store: S3Store, kind: str) -> None:
    """A large write that the service refuses is an error, and leaves neither object nor upload."""
    proxy.script = script(refuse(403, "AccessDenied"), kind)
    with pytest.raises(StoreError, match=f"cannot write {store.url}/a.*AccessDenied"):
        write(store, 20)
    assert left(server, store) == []


def test_sweep_aborts_uploads(server: S3Server, direct: S3Store) -> None:
    """Uploads that a killed worker left go with its job, and no other's do."""
    client = server.client()
    for key in ("job/a", "job/deep/b", "jobs/c"):
        client.create_multipart_upload(Bucket=direct.bucket, Key=direct.prefix + key)
    direct.put("job/kept", b"1")
    direct.sweep("job/")
    assert sorted(left(server, direct)) == [f"{direct.prefix}job/kept", f"{direct.prefix}jobs/c"]


def test_writes_are_in_bounded_memory(direct: S3Store) -> None:
    """A write holds some parts, however long the object gets."""
    tracemalloc.start()
    try:
        write(direct, 100)
        assert tracemalloc.get_traced_memory()[1] < 8 * PART
    finally:
        tracemalloc.stop()


def test_reads_are_in_bounded_memory(proxy: Proxy, store: S3Store, direct: S3Store) -> None:
    """A stream takes requests of bounded size, and begins no more of them than are soon needed."""
    write(direct, 40)
    with store.open("a", 7) as stream:
        assert stream.read(4) == b"".join(pieces(1))[7:11]
        assert sum(proxy.counts().values()) <= 2
        rest = 40 * MB - 11
        while piece := stream.read(MB):
            rest -= len(piece)
        assert rest == 0
    assert proxy.counts() == {"ranged get": 5}
    for request in proxy.requests:
        first, _, last = dict(request.headers)["range"].removeprefix("bytes=").partition("-")
        assert int(last) - int(first) < PART


def test_replaced_while_read(store: S3Store, direct: S3Store) -> None:
    """A stream never joins the bytes of two objects."""
    write(direct, 40)
    with store.open("a") as stream:
        stream.read(1)
        write(direct, 39)
        with pytest.raises(StoreError, match=f"{store.url}/a was replaced while it was read"):
            stream.read()


def test_writes_are_verifiable(proxy: Proxy, store: S3Store) -> None:
    """Each body that is sent has its digest in what is signed, for the service to compare."""
    write(store, 20)
    store.put("b", b"b")
    store.put_if_absent("c", b"c")
    sent = [request for request in proxy.requests if request.kind in ("put", "part")]
    assert len(sent) == 6
    for request in sent:
        headers = {name.lower(): value for name, value in request.headers}
        assert headers["x-amz-content-sha256"] == sha256(request.body).hexdigest()
        assert "x-amz-content-sha256" in headers["authorization"]
        assert b64decode(headers["x-amz-checksum-sha256"]) == sha256(request.body).digest()  # which stays with it


def test_requests_are_counted(proxy: Proxy, store: S3Store) -> None:
    """The store counts what the service sees."""
    store.page = 2
    for number in range(5):
        store.put(f"k/{number}", b"12345")
    write(store, 20)
    store.put_if_absent("once", b"1")
    store.put_if_absent("once", b"2")
    store.get("k/1")
    store.get("k/1", 1, 3)
    store.get("a")
    store.size("k/1")
    assert len(list(store.list(""))) == 7
    store.delete([f"k/{number}" for number in range(4)])
    told = store.requests.snapshot()
    seen = Counter[str]()
    for kind, count in proxy.counts().items():
        seen[WORDS[kind]] += count
    assert {kind: count for kind, count in told.items() if not kind.startswith("bytes_")} == seen
    assert told["bytes_written"] == 25 + 20 * MB + 1
    assert told["bytes_read"] == 5 + 2 + 20 * MB


def test_requests_of_a_move(proxy: Proxy, store: S3Store) -> None:
    """A move copies inside the service."""
    store.put("a", b"1")
    proxy.requests.clear()
    store.move("a", "b")
    assert proxy.counts()["copy"] == 1
    assert sum(proxy.counts().values()) <= 3


def test_deletes_are_grouped(proxy: Proxy, store: S3Store) -> None:
    """A thousand objects are deleted by one request."""
    store.delete(f"k/{number}" for number in range(1500))
    assert sum(proxy.counts().values()) == store.requests.snapshot()["delete"] == 2
