"""The nodes of a Redis shuffle store: which of them has a key, and what they reply."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from mapreduce.errors import StoreError
from shuffle.redis.address import Credentials, Host, Servers
from shuffle.redis.errors import LostNode
from shuffle.redis.node import Command, Node, Patience

# Requests of one process that are under way at once; there is one for each node.
_THREADS = 16
# Keys that are deleted in one go.
_KEYS = 1_000


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
