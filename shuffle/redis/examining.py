"""What there is to know of Redis for whoever looks for what is wrong."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

from redis.exceptions import OutOfMemoryError

from mapreduce.finding import Finding
from mapreduce.sizes import format_size
from shuffle.redis.address import Address, Credentials, Servers
from shuffle.redis.checking import IMPATIENT
from shuffle.redis.node import Command, Node
from shuffle.redis.nodes import Nodes
from shuffle.redis.opening import make_nodes

# Of which the median is told.
_ROUND_TRIPS = 20


def examine(address: Address, credentials: Credentials) -> Iterator[Finding]:
    """See `ShuffleStore.examine`."""
    servers = address.servers
    nodes = make_nodes(servers, credentials, IMPATIENT)
    try:
        found = nodes.all()
        infos = list(nodes.pool.map(_info, found))
        yield Finding("server", "ok", _each(found, map(_version, infos)))
        yield Finding("connection", "ok", "TLS" if servers.tls else "without TLS, which is for private networks alone")
        yield Finding("memory", "ok", _each(found, map(_memory, infos)))
        yield _commands(found, list(nodes.pool.map(partial(_refused, nodes, servers), found)))
        slowest = max(map(_round_trip, found))
        where = "" if len(found) == 1 else f" at the slowest of {len(found)} nodes"
        yield Finding("round trip", "ok", f"{1000 * slowest:.2f} ms{where}, the median of {_ROUND_TRIPS}")
    finally:
        nodes.close()


def commands(key: str, servers: Servers) -> dict[str, Command]:
    """All that the store asks of `servers`, by the names in `COMMANDS`: tried with a key that is gone afterwards."""
    tried: dict[str, Command] = {
        "ping": ("PING",),
        "info": ("INFO",),
        "set": ("SET", key, "x", "EX", 60),
        "get": ("GET", key),
        "strlen": ("STRLEN", key),
        "unlink": ("UNLINK", key),
    }
    if servers.database:
        tried["select"] = ("SELECT", servers.database)
    if servers.cluster:
        tried |= {"cluster|slots": ("CLUSTER SLOTS",), "asking": ("ASKING",)}
    return tried


def _each(nodes: Sequence[Node], texts: Iterable[str]) -> str:
    """What is to be said of each node; once, where it is the same."""
    said = dict(zip((node.name for node in nodes), texts, strict=True))
    if len(set(said.values())) == 1:
        [text] = set(said.values())
        return text if len(said) == 1 else f"{text} (each of {len(said)} nodes)"
    return "; ".join(f"{name}: {text}" for name, text in said.items())


def _info(node: Node) -> dict[str, Any]:
    info: dict[str, Any]
    [info] = node.run([("INFO",)])
    if isinstance(info, Exception):
        raise node.explain(info)
    return info


def _version(info: dict[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', 'of unknown version')}"


def _memory(info: dict[str, Any]) -> str:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not most:
        return f"{format_size(used)} used, and no limit set"
    policy = info.get("maxmemory_policy", "noeviction")
    then = "refuses data, and drops none" if policy == "noeviction" else "drops data"
    free = format_size(max(0, most - used))
    return f"{format_size(used)} of {format_size(most)} used, {free} free; when full it {then} ({policy})"


def _refused(nodes: Nodes, servers: Servers, node: Node) -> dict[str, Exception]:
    """The commands that a node refuses, by name, with what it says."""
    key = _fresh_key()
    while nodes.node(key) is not node:
        key = _fresh_key()
    tried = commands(key, servers)
    replies = zip(tried, node.run(list(tried.values())), strict=True)
    # A node without memory takes no values, and has no objection to the command.
    return {
        name: reply
        for name, reply in replies
        if isinstance(reply, Exception) and not isinstance(reply, OutOfMemoryError)
    }


def _fresh_key() -> str:
    return f"mapreduce:doctor-{secrets.token_hex(8)}"


def _commands(nodes: Sequence[Node], refused: Sequence[dict[str, Exception]]) -> Finding:
    reasons = {name: reply for replies in refused for name, reply in replies.items()}
    if not reasons:
        return Finding("commands", "ok", "all that are needed are allowed")
    names = ", ".join(node.name for node, replies in zip(nodes, refused, strict=True) if replies)
    return Finding(
        "commands",
        "failed",
        f"Redis at {names} refuses {', '.join(reasons)}: {next(iter(reasons.values()))}",
        f"allow the user +{' +'.join(reasons)} on the keys mapreduce:*",
    )


def _round_trip(node: Node) -> float:
    """Seconds that a node takes to answer."""
    times = []
    for _ in range(_ROUND_TRIPS):
        began = time.perf_counter()
        node.run([("PING",)])
        times.append(time.perf_counter() - began)
    return median(times)
