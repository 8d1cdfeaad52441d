"""Writing to Redis: in chunks, many at a time, and to the spare store what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from redis.exceptions import AskError, NoPermissionError, ReadOnlyError, ResponseError

from mapreduce.errors import StoreError
from mapreduce.objectstore import Requests
from mapreduce.objectstore.base import Writer
from mapreduce.sizes import format_size
from shuffle.base import AttemptId, Partitioned, Piece
from shuffle.redis.node import Command
from shuffle.redis.nodes import Nodes
from shuffle.redis.place import CHUNK, Place, chunk_key, count_key

# Bytes and values that are sent in one go.
_BATCH, _MOST = 2 * CHUNK, 1_000


class Writing:
    """What one map attempt writes.

    Args:
        nodes: where it goes.
        attempt: whose it is.
        ttl: seconds after which it expires.
        open_spare: begins the spare object, for what does not fit; None: that is an error.
        requests: counts them.
    """

    def __init__(
        self,
        nodes: Nodes,
        attempt: AttemptId,
        ttl: int,
        open_spare: Callable[[], Writer] | None,
        requests: Requests,
    ) -> None:
        self._nodes = nodes
        self._attempt = attempt
        self._ttl = ttl
        self._open_spare = open_spare
        self._requests = requests
        self._parts: list[bytes | memoryview] = []  # of the next chunk
        self._size = 0  # bytes of these
        self._batch: list[bytes | memoryview] = []  # chunks to be sent
        self._held = 0  # bytes of these
        self._count = 0  # chunks so far, the batch among them
        self._written = 0  # bytes sent so far
        self._spare: Writer | None = None
        self._spilled: dict[int, int] = {}  # number of a chunk -> its offset in the spare object
        self._end = 0  # of the spare object

    def write(self, partitions: Iterable[Partitioned]) -> dict[int, Piece]:
        """Write all of `partitions`; returns their pieces.

        Raises:
            StoreError: a node is full, or cannot be used.
        """
        found = []
        for partition, records, blocks in partitions:
            first, size, count = self._count, 0, 0
            for block in blocks:
                self._add(block)
                size += len(block)
                count += 1
            self._cut()
            if count:
                found.append((partition, first, self._count - first, size, count, records))
        self._flush()
        _, _, task, attempt = self._attempt
        return {
            partition: Piece(task, attempt, self._place(first, chunks), 0, size, count, records)
            for partition, first, chunks, size, count, records in found
        }

    def undo(self) -> None:
        """Delete what has been written, as far as the nodes answer; the rest expires."""
        keys = [chunk_key(self._attempt, number) for number in range(self._count)]
        with suppress(StoreError):
            for _ in self._nodes.unlink([count_key(self._attempt), *keys]):
                self._requests.add("delete")

    def _place(self, first: int, chunks: int) -> tuple[Any, ...]:
        spilled = tuple(number for number in range(chunks) if first + number in self._spilled)
        place = Place(str(self._attempt), first, chunks)
        return place._replace(spilled=spilled, start=self._spilled[first + spilled[0]]) if spilled else place[:3]

    def _add(self, block: bytes) -> None:
        """Take in a block."""
        rest: bytes | memoryview = block
        while self._size + len(rest) >= CHUNK:
            room = CHUNK - self._size
            rest = memoryview(rest)
            self._parts.append(rest[:room])
            self._cut()
            rest = rest[room:]
        if rest:
            self._parts.append(rest)
            self._size += len(rest)

    def _cut(self) -> None:
        """End a chunk, if one has begun."""
        if not self._parts:
            return
        # Only what lies in several blocks must be brought together.
        chunk = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts, self._size = [], 0
        self._batch.append(chunk)
        self._held += len(chunk)
        self._count += 1
        if self._held >= _BATCH or len(self._batch) >= _MOST:
            self._flush()

    def _flush(self) -> None:
        """Send the batch."""
        if not self._batch:
            return
        first = self._count - len(self._batch)
        # The count comes first: what a worker that dies has written of the others, a sweep finds.
        commands: list[Command] = [("SET", count_key(self._attempt), self._count, "EX", self._ttl)]
        commands += [
            ("SET", chunk_key(self._attempt, first + number), chunk, "EX", self._ttl)
            for number, chunk in enumerate(self._batch)
        ]
        replies = self._nodes.run(commands)
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, Exception) and not _means_full(reply):
                raise StoreError(str(self._nodes.node(str(command[1])).explain(reply))) from reply
        refused = {number: reply for number, reply in enumerate(replies[1:]) if isinstance(reply, Exception)}
        if isinstance(replies[0], Exception):  # a sweep would not find what was written
            for _ in self._nodes.unlink([str(command[1]) for command in commands[1:]]):
                self._requests.add("delete")
            refused = dict.fromkeys(range(len(self._batch)), replies[0])
        size = sum(len(self._batch[number]) for number in refused)
        self._requests.add("put", written=self._held - size)
        self._written += self._held
        if refused and self._open_spare is None:
            raise self._full(size, {chunk_key(self._attempt, first + number): refused[number] for number in refused})
        for number in refused:
            self._spill(first + number, self._batch[number])
        self._batch, self._held = [], 0

    def _spill(self, number: int, chunk: bytes | memoryview) -> None:
        """Write a chunk that did not fit to the spare object."""
        if self._spare is None:
            assert self._open_spare is not None
            self._spare = self._open_spare()
        self._spilled[number] = self._end
        self._spare.write(chunk)
        self._end += len(chunk)

    def _full(self, size: int, refused: Mapping[str, Exception]) -> StoreError:
        """What to say of chunks of `size` bytes that were refused, and why."""
        used = []
        for node in dict.fromkeys(map(self._nodes.node, refused)):
            with suppress(StoreError):
                [info] = node.run([("INFO", "memory")])
                if isinstance(info, dict):
                    memory = f"{format_size(info['used_memory'])} of its {format_size(info['maxmemory'])}"
                    used.append(f"{node.name} uses {memory}")
        return StoreError(
            f"Redis is full: {format_size(size)} of the {format_size(self._written)} that map task"
            f" {self._attempt.task} has written so far did not fit ({'; '.join(used) or next(iter(refused.values()))});"
            " use larger nodes or more of them, let it spill to the object store (full=spill in the URL), or name"
            " another shuffle store"
        )


def _means_full(reply: Exception) -> bool:
    """Whether a node refused a value, but not the user: it may have no memory left, or none for such a value."""
    return isinstance(reply, ResponseError) and not isinstance(reply, AskError | NoPermissionError | ReadOnlyError)
