"""What a Redis shuffle store finds out before a job begins."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest
import trustme

from mapreduce import StoreError
from mapreduce.objectstore import Access, MemoryStore
from shuffle import open_shuffle
from shuffle.redis import COMMANDS, checking
from shuffle.redis.node import Patience
from shuffle.testing import attempt, block, partitioned
from tests.services import proxy, redis_servers
from tests.services.proxy import Proxy
from tests.services.redis_servers import PASSWORD, USER, RedisServer

pytestmark = pytest.mark.process

KNOWN = Access(redis_username=USER, redis_password=PASSWORD)


def refused(url: str, access: Access | None = None) -> str:
    """What is said of a store that cannot be used."""
    with pytest.raises(StoreError) as caught:
        open_shuffle(url, access).check(1)
    return str(caught.value)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not answer at once is given up."""
    monkeypatch.setattr(checking, "IMPATIENT", Patience(0.2, 0.2, 1))


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that nobody else needs."""
    server = RedisServer()
    yield server
    server.kill()


class TestWell:
    """Nothing is wrong."""

    def test_nothing_is_said(self) -> None:
        """However Redis is set up."""
        for url in (redis_servers.standalone().url, redis_servers.sharded_url(redis_servers.shards())):
            assert open_shuffle(url).check(10**15) == []
        for url in (redis_servers.secured().url, redis_servers.tls_url()):
            assert open_shuffle(url, KNOWN).check(10**15) == []

    @pytest.mark.slow
    def test_of_a_cluster(self) -> None:
        """Any node of it may be named, and others that are not there, or no more."""
        for server in redis_servers.cluster():
            url = f"redis://127.0.0.1:{redis_servers.free_port()},127.0.0.1:{server.port}?cluster=true"
            assert open_shuffle(url).check(10**15) == []


class TestWarnings:
    """The store can be used, and something is worth knowing."""

    def test_little_memory(self, own: RedisServer) -> None:
        """Less than the shuffle may take: it is said how much, and what will happen."""
        with own.client() as client:
            client.config_set("maxmemory", "50mb")
        spare = MemoryStore("check")
        assert open_shuffle(own.url, None, spare).check(30_000_000) == []
        [text] = open_shuffle(own.url, None, spare).check(60_000_000)
        assert f"127.0.0.1:{own.port} has " in text
        assert "60.0 MB: what does not fit goes to the object store" in text
        for url, store in ((own.url, None), (f"{own.url}?full=fail", spare)):
            [text] = open_shuffle(url, None, store).check(60_000_000)
            assert text.endswith("60.0 MB: the job fails when it is full")

    def test_memory_of_all_nodes(self, own: RedisServer) -> None:
        """Nodes add up, and one without a limit has enough."""
        with own.client() as client:
            client.config_set("maxmemory", "50mb")
        other = RedisServer("--maxmemory", "50mb")
        try:
            store = open_shuffle(redis_servers.sharded_url([own, other]))
            assert store.check(80_000_000) == []
            [text] = store.check(120_000_000)
            assert f"127.0.0.1:{own.port}, 127.0.0.1:{other.port} has " in text
        finally:
            other.kill()
        assert open_shuffle(redis_servers.sharded_url([own, redis_servers.standalone()])).check(120_000_000) == []

    @pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
    def test_policies_that_delete_keys(self, own: RedisServer, policy: str) -> None:
        """Keys with a time to live are among those that are deleted."""
        with own.client() as client:
            client.config_set("maxmemory-policy", policy)
        [text] = open_shuffle(own.url).check(1)
        assert f"127.0.0.1:{own.port} deletes keys when its memory runs out ({policy})" in text
        assert "maxmemory-policy to noeviction" in text


class TestRefusals:
    """The store cannot be used: the message says which node, why, and what to do."""

    def test_nobody_listens(self) -> None:
        """A port without a server."""
        port = redis_servers.free_port()
        assert f"Redis at 127.0.0.1:{port} does not answer (Connection refused)" in refused(f"redis://127.0.0.1:{port}")

    def test_one_of_several(self) -> None:
        """All nodes are needed, unless they are a cluster."""
        port = redis_servers.free_port()
        assert f"Redis at 127.0.0.1:{port} does not" in refused(f"{redis_servers.standalone().url},127.0.0.1:{port}")

    def test_no_such_host(self) -> None:
        """A name that nobody knows."""
        assert "Redis at no-such-host.invalid:6379 does not answer" in refused("redis://no-such-host.invalid")

    def test_silence(self, hasty: None) -> None:
        """Somebody who listens and never says anything."""
        with Proxy(redis_servers.standalone().port) as between:
            between.script = lambda number: proxy.hold(between.closing)
            text = refused(f"redis://127.0.0.1:{between.port}")
            assert between.calls == 2
        assert f"Redis at 127.0.0.1:{between.port} does not answer (Timeout" in text

    def test_patience_is_short(self) -> None:
        """Whatever happens, it takes no more than about ten seconds."""
        connect, reply, retries = checking.IMPATIENT
        assert (retries + 1) * max(connect, reply) <= 8

    @pytest.mark.parametrize(
        ("access", "message"),
        [
            (Access(), "refuses the credentials"),
            (Access(redis_password="wrong-one"), "refuses the credentials"),
            (Access(redis_username=USER, redis_password="wrong-one"), "refuses the credentials"),
            (Access(redis_username="nobody", redis_password=PASSWORD), "refuses the credentials"),
        ],
    )
    def test_credentials(self, access: Access, message: str) -> None:
        """No password, a wrong one, or one of somebody else."""
        text = refused(redis_servers.secured().url, access)
        assert message in text
        assert "redis_username and redis_password" in text
        assert "wrong-one" not in text
        assert PASSWORD not in text

    def test_a_password_that_nobody_wants(self) -> None:
        """The server has none."""
        text = refused(redis_servers.standalone().url, Access(redis_password="a-secret"))
        assert "has no password: leave out" in text
        assert "a-secret" not in text

    def test_commands_that_are_not_allowed(self) -> None:
        """The message lists those that are needed."""
        server = redis_servers.secured()
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "narrow", "reset", "on", f">{PASSWORD}", "~mapreduce:*", "+ping")
        text = refused(server.url, Access(redis_username="narrow", redis_password=PASSWORD))
        assert "refuses a command" in text
        assert all(f"+{command}" in text for command in COMMANDS)

    def test_tls_where_none_is_spoken(self, hasty: None) -> None:
        """The hint is the other scheme."""
        url = redis_servers.standalone().url
        assert "write redis://" in refused(url.replace("redis://", "rediss://"))

    def test_no_tls_where_it_is_spoken(self) -> None:
        """The hint is the other scheme."""
        url = redis_servers.tls_url().partition("?")[0]
        assert "write rediss://" in refused(url.replace("rediss://", "redis://"), KNOWN)

    def test_an_authority_that_nobody_knows(self) -> None:
        """The hint is how to name it."""
        text = refused(redis_servers.tls_url().partition("?")[0], KNOWN)
        assert "certificate that is not trusted" in text
        assert "ca_certs=PATH" in text

    def test_a_certificate_of_somebody_else(self) -> None:
        """Names are checked too."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority = trustme.CA()
        authority.issue_cert("somebody.example").configure_cert(tls)
        with Proxy(redis_servers.secured().port, tls) as between, authority.cert_pem.tempfile() as path:
            text = refused(f"rediss://127.0.0.1:{between.port}?ca_certs={path}", KNOWN)
        assert "certificate that is not trusted" in text
        assert "127.0.0.1" in text

    @pytest.mark.slow
    def test_a_cluster_that_is_not_called_one(self) -> None:
        """The hint is the option."""
        assert "belongs to a Redis Cluster: add cluster=true" in refused(redis_servers.cluster()[0].url)

    def test_no_cluster(self) -> None:
        """The hint is the option."""
        text = refused(f"{redis_servers.standalone().url}?cluster=true")
        assert "is no Redis Cluster: leave cluster=true out" in text

    def test_a_cluster_that_nobody_finds(self) -> None:
        """Of all the nodes that were named none answers."""
        ports = [redis_servers.free_port() for _ in range(2)]
        text = refused(f"redis://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}?cluster=true")
        assert "does not answer" in text

    def test_a_replica(self, own: RedisServer) -> None:
        """It takes no data."""
        with own.client() as client:
            client.replicaof("127.0.0.1", redis_servers.standalone().port)
        assert "is a read-only replica: name the primary" in refused(own.url)
        with pytest.raises(StoreError, match="is a read-only replica"):
            open_shuffle(own.url).write(attempt(), partitioned({0: [block("x")]}))

    def test_an_old_server(self) -> None:
        """It lacks commands."""
        with Old() as server:
            text = refused(f"redis://127.0.0.1:{server.port}")
        assert f"Redis at 127.0.0.1:{server.port} is version 5.0.14: 6.0 or newer is needed" in text


class Old(ThreadingTCPServer):
    """Says to everybody that it is an old version of Redis."""

    daemon_threads = True

    class Handler(BaseRequestHandler):
        """Answers PING and INFO."""

        def handle(self) -> None:
            info = b"redis_version:5.0.14\r\n"
            answers = {b"PING": b"+PONG\r\n", b"INFO": b"$%d\r\n%s\r\n" % (len(info), info)}
            while data := self.request.recv(1 << 16):
                for command in re.findall(b"PING|INFO", data):
                    self.request.sendall(answers[command])

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port: int = self.server_address[1]
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
