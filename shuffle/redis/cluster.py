"""The nodes of a Redis Cluster."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError, ResponseError

from mapreduce.errors import StoreError
from shuffle.redis.address import Credentials, Host, Servers
from shuffle.redis.errors import LostNode
from shuffle.redis.node import Command, Node, Patience
from shuffle.redis.nodes import Nodes


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
            if isinstance(reply, AskError):  # whoever was asked may know better than the others
                node = self._at(Host(reply.host or nodes[place].host.name, reply.port))
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
