"""Requests that are made again, and requests whose refusal is an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from mapreduce.objectstore.s3 import clients
from mapreduce.objectstore.s3.errors import CONFLICT, status_of

T = TypeVar("T")


def persistently(act: Callable[[], T]) -> T:
    """What a request gives that obstore does not repeat by itself: when no answer came, or that of a conflict."""
    import obstore

    for pause in _pauses():
        try:
            return act()
        except (obstore.exceptions.BaseError, OSError) as error:
            if status_of(error) != CONFLICT and "HTTP error" not in str(error):
                raise
        pause()
    return act()


def _pauses() -> Iterator[Callable[[], None]]:
    """Pauses between tries, growing, with full jitter."""
    import random
    import time

    for number in range(clients.RETRIES):
        yield lambda number=number: time.sleep(random.uniform(0, min(2.0, 0.05 * 2**number)))  # type: ignore[misc]  # noqa: S311


def refuses(client: Any, create: dict[str, Any]) -> bool:
    """Whether the service refuses to create what is there."""
    from botocore.exceptions import ClientError

    try:
        client.put_object(**create)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (409, 412):
            raise
        return True
    return False
