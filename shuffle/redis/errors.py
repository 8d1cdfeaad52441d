"""What goes wrong with Redis, as errors that say what to do about it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from mapreduce.errors import StoreError

#: What the store asks of Redis: a user of an ACL needs no other commands, and no keys but mapreduce:*.
COMMANDS = ("asking", "cluster|slots", "get", "info", "ping", "select", "set", "strlen", "unlink")


class LostNode(StoreError):
    """A node does not answer, so what lay there counts as lost."""


def explain(error: BaseException, name: str, *, tls: bool) -> StoreError:
    """What `error`, of redis-py in dealing with the node `name`, means to the user.

    Args:
        error: which the client raised, or which the node replied.
        name: host and port of the node.
        tls: whether the client spoke TLS.
    """
    import redis

    causes = list(_causes(error))
    system = [cause for cause in causes if isinstance(cause, OSError) and cause.strerror]
    reason = system[0].strerror if system else next(iter(str(error).splitlines()), "")

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    kind: type[StoreError] = StoreError
    if has(redis.AuthenticationError) and "without any password" in str(error):
        text = "has no password: leave out redis_username and redis_password"
    elif has(redis.AuthenticationError):
        text = f"refuses the credentials ({reason}): set redis_username and redis_password as the server has them"
    elif has(redis.exceptions.NoPermissionError):
        text = f"refuses a command ({reason}): allow the user +{' +'.join(COMMANDS)} on the keys mapreduce:*"
    elif has(redis.exceptions.MovedError):
        text = "belongs to a Redis Cluster: add cluster=true to the options of its URL"
    elif has(redis.ReadOnlyError):
        text = "is a read-only replica: name the primary in the URL"
    elif has(redis.ResponseError):
        text = f"refuses a command: {reason}"
    elif has(ssl.SSLCertVerificationError):
        text = f"shows a certificate that is not trusted ({reason}): for an authority of your own add ca_certs=PATH"
    elif has(ssl.SSLError):
        text = f"cannot be spoken to in TLS ({reason}): if its port is a plain one, write redis://"
    else:
        kind = LostNode
        hint = "if its port is a plain one, write redis://" if tls else "if its port is one for TLS, write rediss://"
        text = f"does not answer ({reason}): see that it runs, and that the way to it is open; {hint}"
    return kind(f"Redis at {name} {text}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, newest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
