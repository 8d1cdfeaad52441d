"""The Redis shuffle store keeps the contract, however Redis is set up."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import pytest
from fakeredis import FakeRedis, FakeRedisConnection, FakeServer

from mapreduce.objectstore import Access
from shuffle import Piece, ShuffleStore, open_shuffle
from shuffle.redis import node
from shuffle.redis.place import chunks_of
from shuffle.testing import BackDoor, ShuffleContract
from tests.services import redis_servers
from tests.services.redis_servers import Keys, RedisServer

_names = itertools.count()


class Values(BackDoor):
    """Sees the keys of some servers."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def names(self) -> set[str]:
        return self._keys.names()

    def remove(self, piece: Piece) -> None:
        for chunk in chunks_of(piece):
            assert self._keys.client(chunk.key).delete(chunk.key)

    def truncate(self, piece: Piece, left: int) -> None:
        for chunk in chunks_of(piece):
            client = self._keys.client(chunk.key)
            client.set(chunk.key, client.get(chunk.key)[:left])
            left = max(0, left - chunk.size)


class RedisContract(ShuffleContract):
    """Real servers."""

    #: How they are reached, beside the URL.
    access = Access()

    def servers(self) -> Sequence[RedisServer]:
        """The servers."""
        raise NotImplementedError

    def url(self) -> str:
        """The URL of the store."""
        raise NotImplementedError

    @pytest.fixture
    def keys(self) -> Keys:
        """What lies in the servers: nothing."""
        return Keys(server.client() for server in self.servers()).flush()

    @pytest.fixture
    def store(self, keys: Keys) -> ShuffleStore:
        """A store in them."""
        return open_shuffle(self.url(), self.access)

    @pytest.fixture
    def back_door(self, keys: Keys) -> BackDoor:
        """The keys."""
        return Values(keys)

    def reopen(self, store: ShuffleStore) -> ShuffleStore:
        return open_shuffle(store.url, self.access)


@pytest.mark.process
class TestStandalone(RedisContract):
    """One node."""

    def servers(self) -> Sequence[RedisServer]:
        return [redis_servers.standalone()]

    def url(self) -> str:
        return redis_servers.standalone().url


@pytest.mark.process
class TestSharded(RedisContract):
    """Three nodes, over which the client spreads the keys."""

    def servers(self) -> Sequence[RedisServer]:
        return redis_servers.shards()

    def url(self) -> str:
        return redis_servers.sharded_url(redis_servers.shards())


@pytest.mark.process
@pytest.mark.slow
class TestCluster(RedisContract):
    """A Redis Cluster of three masters."""

    def servers(self) -> Sequence[RedisServer]:
        return redis_servers.cluster()

    def url(self) -> str:
        return f"{redis_servers.cluster()[0].url}?cluster=true"


@pytest.mark.process
class TestTls(RedisContract):
    """One node that speaks TLS and wants a password."""

    access = Access(redis_password=redis_servers.PASSWORD)

    def servers(self) -> Sequence[RedisServer]:
        return [redis_servers.secured()]

    def url(self) -> str:
        return redis_servers.tls_url()


@pytest.mark.process
class TestEncrypted(RedisContract):
    """One node that speaks TLS itself, and wants a password; it must be installed on the system."""

    access = Access(redis_password=redis_servers.PASSWORD)

    def servers(self) -> Sequence[RedisServer]:
        return [redis_servers.encrypted()]

    def url(self) -> str:
        return redis_servers.encrypted().tls_url


@pytest.mark.process
@pytest.mark.slow
class TestEncryptedCluster(RedisContract):
    """A Redis Cluster of three masters that speak TLS; as above."""

    def servers(self) -> Sequence[RedisServer]:
        return redis_servers.encrypted_cluster()

    def url(self) -> str:
        return f"{redis_servers.encrypted_cluster()[0].tls_url}&cluster=true"


@pytest.mark.process
class TestUser(RedisContract):
    """A user who may do no more than the store needs."""

    access = Access(redis_username=redis_servers.USER, redis_password=redis_servers.PASSWORD)

    def servers(self) -> Sequence[RedisServer]:
        return [redis_servers.secured()]

    def url(self) -> str:
        return redis_servers.secured().url


class TestFakeRedis(ShuffleContract):
    """A server within the process, which keeps what was written in its memory."""

    in_memory = True

    @pytest.fixture
    def server(self) -> FakeServer:
        """The server."""
        return FakeServer()

    @pytest.fixture
    def store(self, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> ShuffleStore:
        """A store in it."""
        monkeypatch.setattr(node, "connection_class", partial(FakeRedisConnection, server=server))
        return open_shuffle(f"redis://fake-{next(_names)}")

    @pytest.fixture
    def back_door(self, server: FakeServer) -> BackDoor:
        """The keys."""
        return Values(Keys([FakeRedis(server=server)]))
