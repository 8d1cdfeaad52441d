"""A store on a real server, reached through a proxy that counts requests, and makes them fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mapreduce.objectstore import Access
from mapreduce.objectstore.s3 import S3Store
from tests.services.http_proxy import Proxy
from tests.services.s3_servers import S3Server, ministack, place, use


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server behind the proxy."""
    server = ministack()
    use(server.key, monkeypatch)
    return server


@pytest.fixture
def proxy(server: S3Server) -> Iterator[Proxy]:
    """Stands before the server, without a script yet."""
    with Proxy(server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Proxy) -> S3Store:
    """An empty store that is reached through the proxy."""
    return S3Store(place(), Access(endpoint_url=proxy.endpoint))


@pytest.fixture
def direct(server: S3Server, store: S3Store) -> S3Store:
    """The same objects, reached past the proxy."""
    return S3Store(f"{store.bucket}/{store.prefix}", Access(endpoint_url=server.endpoint))
