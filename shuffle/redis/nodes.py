"""The nodes of a Redis shuffle store: which of them has a key, and what they reply."""

from __future__ import annotations

import os
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import redis
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.connection import PythonRespSerializer
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.driver_info import DriverInfo
from redis.exceptions import AskError, MovedError, ResponseError
from redis.retry import Retry

from mapreduce.errors import StoreError
from shuffle.redis.address import Credentials, Host, Servers
from shuffle.redis.errors import LostNode, explain

#: A command and its arguments; the first of these is the key, where there is one.
Command = tuple[str | int | bytes | memoryview, ...]

#: Makes connections without TLS. Another class may stand here: that of a server within this process.
connection_class: Any = redis.Connection

# Arguments of more bytes than this are sent from where they lie.
_COPIED = 6_000
_READ = 1 << 16
# A connection that was idle for so many seconds is tried out before it is used.
_IDLE = 30
# Requests of one process that are under way at once; there is one for each node.
_THREADS = 16
# Keys that are deleted in one go.
_KEYS = 1_000


# What may go well the next time: the connection broke, or brought what is no answer.
_PASSING = (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)


class Patience(NamedTuple):
    """Seconds to wait for a connection and for a reply, and how many times to try again."""

    connect: float
    reply: float
    retries: int


#: Whoever tries again waits about 0.15, 0.3, 0.6, 1.2 and 1.5 seconds in between: a node has time to restart.
PATIENT = Patience(5, 15, 5)


class Node:
    """One server; threads may share it.

    Attributes:
        name: its host and port.
    """

    def __init__(self, host: Host, servers: Servers, credentials: Credentials, patience: Patience) -> None:
        self.name = str(host)
        self.host = host
        self._tls = servers.tls
        self._retry = Retry(EqualJitterBackoff(cap=2, base=0.1), patience.retries, _PASSING)
        options: dict[str, Any] = {"ssl_ca_certs": servers.ca_certs or None} if servers.tls else {}
        self._pool = redis.ConnectionPool(
            redis.SSLConnection if servers.tls else connection_class,
            host=host.name,
            port=host.port,
            db=servers.database,
            username=credentials.username or None,
            password=credentials.password or None,
            socket_connect_timeout=patience.connect,
            socket_timeout=patience.reply,
            socket_keepalive=True,
            socket_read_size=_READ,
            health_check_interval=_IDLE,
            retry=Retry(NoBackoff(), 0),  # what fails is tried again as a whole, in `run`
            command_packer=PythonRespSerializer(_COPIED, _encode),  # that of hiredis copies each value twice
            protocol=2,
            driver_info=DriverInfo("", ""),  # no CLIENT SETINFO: two round trips, and not for every user of an ACL
            **options,
        )
        self._client = redis.Redis(connection_pool=self._pool)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`, sent in one go; one that the server refuses has the error for its reply.

        Raises:
            LostNode: there is no answer, tried several times.
            StoreError: the server cannot be used in this way.
        """

        def once() -> list[Any]:
            pipeline: Any = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
            return replies

        try:
            return self._retry.call_with_retry(once, lambda _: None, _may_pass)
        except (redis.RedisError, OSError) as error:
            raise self.explain(error) from error

    def explain(self, error: BaseException) -> StoreError:
        """What an error in dealing with this node means to the user."""
        return error if isinstance(error, StoreError) else explain(error, self.name, tls=self._tls)

    def close(self) -> None:
        """Close the connections."""
        self._pool.disconnect()


def _encode(argument: str | int | bytes | memoryview) -> bytes | memoryview:
    return argument if isinstance(argument, bytes | memoryview) else str(argument).encode()


def _may_pass(error: Exception) -> bool:
    """Whether the same may go well the next time: not so where redis-py takes a refusal for a broken connection."""
    return not isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)


class Nodes(ABC):
    """All nodes of a store; threads may share them."""

    def __init__(self, servers: Servers, credentials: Credentials, patience: Patience) -> None:
        self._servers = servers
        self._credentials = credentials
        self._patience = patience
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="redis")

    @abstractmethod
    def all(self) -> list[Node]:
        """Every node that has keys.

        Raises:
            StoreError: they cannot be found out.
        """

    @abstractmethod
    def node(self, key: str) -> Node:
        """The node that has `key`.

        Raises:
            StoreError: it cannot be found out.
        """

    def start(self, commands: Sequence[Command]) -> Pending:
        """Send `commands` to the nodes of their keys, to all nodes at once."""
        return Pending(self, commands)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to `commands`; see `Pending.wait`."""
        return self.start(commands).wait()

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of `keys`; None for keys that do not exist, or whose node does not answer.

        Raises:
            StoreError: a node refuses it.
        """
        replies = self.run([("GET", key) for key in keys])
        for key, reply in zip(keys, replies, strict=True):
            if isinstance(reply, Exception) and not isinstance(reply, LostNode):
                raise self.node(key).explain(reply)
        return [None if isinstance(reply, LostNode) else reply for reply in replies]

    def unlink(self, keys: Iterable[str]) -> Iterator[None]:
        """Delete `keys`, in steps; those of a node that does not answer are left to expire.

        Raises:
            StoreError: a node refuses it.
        """
        lost: set[Node] = set()
        keys = iter(keys)
        while some := list(islice(keys, _KEYS)):
            commands = list(self._deletions([key for key in some if self.node(key) not in lost]))
            for command, reply in zip(commands, self.run(commands), strict=True):
                node = self.node(str(command[1]))
                if isinstance(reply, LostNode):
                    lost.add(node)
                elif isinstance(reply, Exception):
                    raise node.explain(reply)
            yield

    def _deletions(self, keys: Sequence[str]) -> Iterator[Command]:
        """Commands that delete `keys`."""
        shares: dict[Node, list[str]] = {}
        for key in keys:
            shares.setdefault(self.node(key), []).append(key)
        for share in shares.values():
            yield ("UNLINK", *share)

    def settle(self, commands: Sequence[Command], replies: list[Any], nodes: Sequence[Node]) -> list[Any]:
        """The final replies to `commands`, where `nodes` gave `replies` and may send on to others."""
        return replies

    def close(self) -> None:
        """Close the connections."""
        self.pool.shutdown(wait=False)
        for node in self._made():
            node.close()

    def _make(self, host: Host) -> Node:
        return Node(host, self._servers, self._credentials, self._patience)

    @abstractmethod
    def _made(self) -> Collection[Node]:
        """The nodes that were ever spoken to."""


class Pending:
    """What nodes reply to commands, when it has come."""

    def __init__(self, nodes: Nodes, commands: Sequence[Command]) -> None:
        self._all = nodes
        self._commands = commands
        self._nodes = [nodes.node(str(command[1])) for command in commands]
        shares: dict[Node, list[Command]] = {}
        for node, command in zip(self._nodes, commands, strict=True):
            shares.setdefault(node, []).append(command)
        self._futures = {node: nodes.pool.submit(node.run, share) for node, share in shares.items()}

    def wait(self) -> list[Any]:
        """The replies, in the order of the commands.

        A command that was refused has redis-py's error for its reply, and one whose node cannot be used
        the StoreError.
        """
        return self._all.settle(self._commands, self.gather(), self._nodes)

    def gather(self) -> list[Any]:
        """The replies of the nodes that were asked, though they may send on to others."""
        replies = {}
        for node, future in self._futures.items():
            error = future.exception()
            if error is None:
                replies[node] = iter(future.result())
            elif isinstance(error, StoreError):
                replies[node] = iter([error] * len(self._commands))
            else:
                raise error
        return [next(replies[node]) for node in self._nodes]

    def cancel(self) -> None:
        """Ask for nothing more."""
        for future in self._futures.values():
            future.cancel()


class Sharded(Nodes):
    """Nodes that know nothing of each other: the client spreads the keys, by their checksum."""

    def __init__(self, servers: Servers, credentials: Credentials, patience: Patience) -> None:
        super().__init__(servers, credentials, patience)
        self._nodes = [self._make(host) for host in servers.hosts]

    def all(self) -> list[Node]:
        return self._nodes

    def node(self, key: str) -> Node:
        return self._nodes[zlib.crc32(key.encode()) % len(self._nodes)]

    def _made(self) -> Collection[Node]:
        return self._nodes


class Cluster(Nodes):
    """A Redis Cluster: its nodes tell which of them has which slot of keys."""

    def __init__(self, servers: Servers, credentials: Credentials, patience: Patience) -> None:
        super().__init__(servers, credentials, patience)
        self._known: dict[Host, Node] = {}
        self._owners: list[Node | None] = []
        self._lock = threading.Lock()

    def all(self) -> list[Node]:
        return list({node: None for node in self._slots() if node is not None})

    def node(self, key: str) -> Node:
        slot = key_slot(key.encode())
        node = self._slots()[slot]
        if node is None:
            raise StoreError(f"no node of the Redis Cluster at {self._servers.hosts[0]} has the slot {slot} of {key}")
        return node

    def settle(self, commands: Sequence[Command], replies: list[Any], nodes: Sequence[Node]) -> list[Any]:
        stale = [place for place, reply in enumerate(replies) if isinstance(reply, MovedError | LostNode)]
        if stale:
            self._ask({nodes[place] for place in stale if isinstance(replies[place], LostNode)})
            moved = [place for place in stale if self.node(str(commands[place][1])) is not nodes[place]]
            again = self.start([commands[place] for place in moved]).gather()
            for place, reply in zip(moved, again, strict=True):
                replies[place] = reply
        for place, reply in enumerate(replies):
            if isinstance(reply, AskError) and not isinstance(reply, MovedError):
                node = self._at(Host(reply.host, reply.port))
                replies[place] = node.run([("ASKING",), commands[place]])[1]
        return replies

    def _deletions(self, keys: Sequence[str]) -> Iterator[Command]:
        return (("UNLINK", key) for key in keys)  # several keys must be of one slot

    def _slots(self) -> list[Node | None]:
        """The node of each slot."""
        if not self._owners:
            self._ask(())
        return self._owners

    def _ask(self, lost: Collection[Node]) -> None:
        """Find out which node has which slot, from any node but those of `lost`."""
        error = None
        for host in dict.fromkeys([*self._known, *self._servers.hosts]):
            node = self._at(host)
            if node in lost:
                continue
            try:
                [rows] = node.run([("CLUSTER SLOTS",)])
            except LostNode as problem:
                error = problem
                continue
            if isinstance(rows, ResponseError):
                if "cluster support disabled" in str(rows):
                    raise StoreError(f"Redis at {node.name} is no Redis Cluster: leave cluster=true out of the URL")
                raise node.explain(rows)
            self._owners = self._read(rows, node)
            return
        if error is not None and not self._owners:
            raise error

    def _read(self, rows: Sequence[Any], asked: Node) -> list[Node | None]:
        owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (name, port, *_), *_ in rows:
            # A node that does not know its own name leaves it out.
            node = self._at(Host((name or b"").decode() or asked.host.name, port))
            owners[first : last + 1] = [node] * (last + 1 - first)
        return owners

    def _at(self, host: Host) -> Node:
        with self._lock:
            if host not in self._known:
                self._known[host] = self._make(host)
            return self._known[host]

    def _made(self) -> Collection[Node]:
        return self._known.values()


def make_nodes(servers: Servers, credentials: Credentials, patience: Patience) -> Nodes:
    """The nodes of `servers`."""
    return (Cluster if servers.cluster else Sharded)(servers, credentials, patience)


def open_nodes(servers: Servers, credentials: Credentials) -> Nodes:
    """The nodes of `servers`: the same for the whole process, so that all share their connections."""
    return _opened(servers, credentials, os.getpid())  # a forked process needs connections of its own


@cache
def _opened(servers: Servers, credentials: Credentials, _process: int) -> Nodes:
    return make_nodes(servers, credentials, PATIENT)
