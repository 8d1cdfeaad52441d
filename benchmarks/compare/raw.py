"""Bytes through the client library alone, without a shuffle store: what stores are measured against."""

from __future__ import annotations

import os
import shutil
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from benchmarks.compare.places import Place
from mapreduce import ConfigError
from mapreduce.objectstore import Access
from mapreduce.objectstore.registry import open_store, split_url

T = TypeVar("T")

# Seconds after which Redis forgets what was not deleted.
_TTL = 3600
# Bytes and values of one pipeline, at most; one value may be longer.
_PIPELINE, _MOST = 4 << 20, 1_000


class Span(NamedTuple):
    """Bytes `start` to `end` of what lies under `key`."""

    key: str
    start: int
    end: int


class Raw(ABC):
    """A client and a server, and nothing between them.

    Attributes:
        client: what moves the bytes.
        apart: whether each piece has a key of its own; else those of one map task lie back to back under one.
    """

    client: str
    apart = False

    @abstractmethod
    def write(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Write all of these."""

    @abstractmethod
    def read(self, spans: Sequence[Span]) -> list[Any]:
        """The bytes at `spans`, as the client gives them."""

    @abstractmethod
    def delete(self, keys: Sequence[str]) -> None:
        """Delete all of these."""


class RawFolder(Raw):
    """Plain files, read by one thread, as the folder's store reads them."""

    client = "plain files"

    def __init__(self, place: Place) -> None:
        self._folder = split_url(place.url)[1]

    def write(self, items: Sequence[tuple[str, bytes]]) -> None:
        for key, data in items:
            path = os.path.join(self._folder, key)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def read(self, spans: Sequence[Span]) -> list[Any]:
        return list(map(self._read, spans))

    def delete(self, keys: Sequence[str]) -> None:
        for folder in {os.path.dirname(key) for key in keys}:
            shutil.rmtree(os.path.join(self._folder, folder), ignore_errors=True)

    def _read(self, span: Span) -> bytes:
        with open(os.path.join(self._folder, span.key), "rb") as file:
            file.seek(span.start)
            return file.read(span.end - span.start)


class RawS3(Raw):
    """obstore: an object after the other is put, and as many ranges read at once as the object store here reads."""

    client = "obstore"

    def __init__(self, place: Place) -> None:
        self._threads = ThreadPoolExecutor(open_store(place.url, "shuffle", place.access).concurrency)
        self._prefix, self._client = obstore_client(place.url, place.access)

    def write(self, items: Sequence[tuple[str, bytes]]) -> None:
        import obstore

        for key, data in items:
            obstore.put(self._client, self._prefix + key, data)

    def read(self, spans: Sequence[Span]) -> list[Any]:
        return list(self._threads.map(self._read, spans))

    def delete(self, keys: Sequence[str]) -> None:
        import obstore

        obstore.delete(self._client, [self._prefix + key for key in keys])

    def _read(self, span: Span) -> Any:
        import obstore

        return obstore.get_range(self._client, self._prefix + span.key, start=span.start, end=span.end)


class RawRedis(Raw):
    """redis-py, a pipeline after the other, to all nodes at once."""

    client = "redis-py"
    apart = True

    def __init__(self, place: Place) -> None:
        self._clients = _redis_clients(place)
        self._threads = ThreadPoolExecutor(len(self._clients))

    def write(self, items: Sequence[tuple[str, bytes]]) -> None:
        def write(client: Any, some: Sequence[tuple[str, bytes]]) -> None:
            for batch in _batches(some, [len(data) for _, data in some]):
                pipeline = client.pipeline(transaction=False)
                for key, data in batch:
                    pipeline.set(key, data, ex=_TTL)
                pipeline.execute()

        self._on_all(items, [key for key, _ in items], write)

    def read(self, spans: Sequence[Span]) -> list[Any]:
        def read(client: Any, some: Sequence[Span]) -> list[Any]:
            found = []
            for batch in _batches(some, [span.end for span in some]):
                pipeline = client.pipeline(transaction=False)
                for span in batch:
                    pipeline.get(span.key)
                found += pipeline.execute()
            return found

        return [data for found in self._on_all(spans, [span.key for span in spans], read) for data in found]

    def delete(self, keys: Sequence[str]) -> None:
        def delete(client: Any, some: Sequence[str]) -> None:
            for batch in _batches(some, [0] * len(some)):
                pipeline = client.pipeline(transaction=False)
                for key in batch:
                    pipeline.unlink(key)
                pipeline.execute()

        self._on_all(keys, keys, delete)

    def node(self, key: str) -> Any:
        """redis-py's client of the node that has `key`."""
        return self._clients[self._number(key)]

    def _number(self, key: str) -> int:
        return zlib.crc32(key.encode()) % len(self._clients)

    def _on_all(self, items: Sequence[Any], keys: Sequence[str], act: Callable[[Any, Sequence[Any]], T]) -> list[T]:
        """What `act` gives for each client and those of `items` whose keys are its own."""
        shares: list[list[Any]] = [[] for _ in self._clients]
        for item, key in zip(items, keys, strict=True):
            shares[self._number(key)].append(item)
        if len(shares) == 1:
            return [act(self._clients[0], shares[0])]
        return list(self._threads.map(act, self._clients, shares))


_KINDS: dict[str, Callable[[Place], Raw]] = {"file": RawFolder, "s3": RawS3, "redis": RawRedis}


def open_raw(place: Place) -> Raw:
    """The client for a place.

    Raises:
        ConfigError: nobody knows of one.
    """
    if place.kind not in _KINDS:
        raise ConfigError(f"{place.url} cannot be measured without a store: there is no plain client for it")
    return _KINDS[place.kind](place)


def obstore_client(url: str, access: Access) -> tuple[str, Any]:
    """The prefix that `url` says, and obstore's client of its bucket."""
    from obstore.store import S3Store

    bucket, _, prefix = split_url(url)[1].partition("/")
    session = boto3_session(access)
    credentials = session.get_credentials().get_frozen_credentials()
    endpoint = endpoint_of(access)
    config: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    config |= {"region": session.region_name} if session.region_name else {}
    config |= {"session_token": credentials.token} if credentials.token else {}
    client = S3Store(
        bucket,
        access_key_id=credentials.access_key,
        secret_access_key=credentials.secret_key,
        client_options={"allow_http": endpoint.startswith("http://")},
        **config,
    )
    return f"{prefix.strip('/')}/".lstrip("/"), client


def boto3_session(access: Access) -> Any:
    """A session of boto3 with the credentials of `access`."""
    import boto3

    return boto3.Session(profile_name=access.profile or None)


def endpoint_of(access: Access) -> str:
    """The URL of the S3 service; "" for AWS's own."""
    return access.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _redis_clients(place: Place) -> list[Any]:
    """Clients of redis-py: one for each node, or one for a whole Redis Cluster."""
    import redis

    from shuffle.redis.address import parse_address

    servers = parse_address(place.url).servers
    options: dict[str, Any] = {
        "username": place.access.redis_username or None,
        "password": place.access.redis_password or None,
        "ssl": servers.tls,
    }
    if servers.ca_certs:
        options["ssl_ca_certs"] = servers.ca_certs
    if servers.cluster:
        host = servers.hosts[0]
        return [redis.RedisCluster(host=host.name, port=host.port, **options)]
    return [redis.Redis(host=host.name, port=host.port, db=servers.database, **options) for host in servers.hosts]


def _batches(items: Sequence[Any], sizes: Sequence[int]) -> Iterator[list[Any]]:
    """`items` in runs that one pipeline takes."""
    batch: list[Any] = []
    held = 0
    for item, size in zip(items, sizes, strict=True):
        if batch and (held + size > _PIPELINE or len(batch) == _MOST):
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += size
    if batch:
        yield batch
