"""Which nodes a process speaks with."""

from __future__ import annotations

import os
from functools import cache

from shuffle.redis.address import Credentials, Servers
from shuffle.redis.cluster import Cluster
from shuffle.redis.node import Patience
from shuffle.redis.nodes import Nodes, Sharded

#: Whoever tries again waits about 0.15, 0.3, 0.6, 1.2 and 1.5 seconds in between: a node has time to restart.
PATIENT = Patience(5, 15, 5)


def make_nodes(servers: Servers, credentials: Credentials, patience: Patience) -> Nodes:
    """The nodes of `servers`."""
    return (Cluster if servers.cluster else Sharded)(servers, credentials, patience)


def open_nodes(servers: Servers, credentials: Credentials) -> Nodes:
    """The nodes of `servers`: the same for the whole process, so that all share their connections."""
    return _opened(servers, credentials, os.getpid())  # a forked process needs connections of its own


@cache
def _opened(servers: Servers, credentials: Credentials, _process: int) -> Nodes:
    return make_nodes(servers, credentials, PATIENT)
