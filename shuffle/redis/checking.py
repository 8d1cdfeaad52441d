"""Finding out whether Redis can be used, before a job begins."""

from __future__ import annotations

from functools import partial
from typing import Any

from mapreduce.errors import StoreError
from mapreduce.sizes import format_size
from shuffle.redis.address import Address, Credentials
from shuffle.redis.node import Node, Patience
from shuffle.redis.opening import make_nodes

#: At most about ten seconds in all.
IMPATIENT = Patience(4, 4, 1)
# The first that has UNLINK and the users of an ACL.
_OLDEST = 6


def check(address: Address, credentials: Credentials, estimate: int, *, spills: bool) -> list[str]:
    """See `ShuffleStore.check`; `spills` is whether what does not fit goes elsewhere."""
    nodes = make_nodes(address.servers, credentials, IMPATIENT)
    try:
        found = nodes.all()
        infos = list(nodes.pool.map(partial(_look, cluster=address.servers.cluster), found))
    finally:
        nodes.close()
    names = [node.name for node in found]
    warnings = [
        f"Redis at {name} deletes keys when its memory runs out ({policy}), and lost shuffle data is made again:"
        " set maxmemory-policy to noeviction"
        for name, info in zip(names, infos, strict=True)
        if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction"
    ]
    limits = [int(info.get("maxmemory", 0)) for info in infos]
    free = sum(limits) - sum(int(info.get("used_memory", 0)) for info in infos)
    if all(limits) and free < estimate:
        rest = "what does not fit goes to the object store" if spills else "the job fails when it is full"
        warnings.append(
            f"Redis at {', '.join(names)} has {format_size(max(0, free))} free, and the shuffle may take"
            f" {format_size(estimate)}: {rest}"
        )
    return warnings


def _look(node: Node, *, cluster: bool) -> dict[str, Any]:
    """What a node tells of itself.

    Raises:
        StoreError: it cannot be used.
    """
    info: dict[str, Any]
    ping, info = node.run([("PING",), ("INFO",)])
    for reply in (ping, info):
        if isinstance(reply, Exception):
            raise node.explain(reply)
    version = str(info.get("redis_version", _OLDEST))
    if int(version.partition(".")[0]) < _OLDEST:
        raise StoreError(f"Redis at {node.name} is version {version}: {_OLDEST}.0 or newer is needed")
    if info.get("role") == "slave":
        raise StoreError(f"Redis at {node.name} is a read-only replica: name the primary in the URL")
    if info.get("cluster_enabled") and not cluster:
        raise StoreError(f"Redis at {node.name} belongs to a Redis Cluster: add cluster=true to the URL's options")
    return info
