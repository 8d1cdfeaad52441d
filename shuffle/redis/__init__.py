"""Shuffle through Redis: standalone, sharded by the client over several nodes, or a Redis Cluster."""

from shuffle.redis.address import split_credentials
from shuffle.redis.errors import COMMANDS
from shuffle.redis.store import RedisShuffle

__all__ = ["COMMANDS", "RedisShuffle", "split_credentials"]
