"""One server of a Redis shuffle store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis
from redis.backoff import EqualJitterBackoff, NoBackoff
from redis.connection import PythonRespSerializer
from redis.driver_info import DriverInfo
from redis.retry import Retry

from mapreduce.errors import StoreError
from shuffle.redis.address import Credentials, Host, Servers
from shuffle.redis.errors import explain

#: A command and its arguments; the first of these is the key, where there is one.
Command = tuple[str | int | bytes | memoryview, ...]

#: Makes connections without TLS. Another class may stand here: that of a server within this process.
connection_class: Any = redis.Connection

# Arguments of more bytes than this are sent from where they lie.
_COPIED = 6_000
_READ = 1 << 16
# A connection that was idle for so many seconds is tried out before it is used.
_IDLE = 30
# What may go well the next time: the connection broke, or brought what is no answer.
_PASSING = (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)


class Patience(NamedTuple):
    """Seconds to wait for a connection and for a reply, and how many times to try again."""

    connect: float
    reply: float
    retries: int


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
        options: dict[str, Any] = {}
        if servers.tls:
            options = {"ssl_ca_certs": servers.ca_certs or None, "redis_connect_func": _greet}
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


def _greet(connection: Any) -> None:
    """Log in, and hear from the server once.

    In TLS a server sends session tickets when a connection has been made. redis-py takes them for the rest
    of a reply, and the connection for a broken one, unless it has read something by then.
    """
    connection.on_connect()
    connection.send_command("PING", check_health=False)
    connection.read_response()


def _encode(argument: str | int | bytes | memoryview) -> bytes | memoryview:
    return argument if isinstance(argument, bytes | memoryview) else str(argument).encode()


def _may_pass(error: Exception) -> bool:
    """Whether the same may go well the next time: not so where redis-py takes a refusal for a broken connection."""
    return not isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
