"""Reading from Redis: in order, many chunks at a time, and the next ones while these are used."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from typing import Any

from mapreduce.columns import Buffer
from mapreduce.errors import LostBlocks, MissingObject, StoreError
from mapreduce.objectstore import ObjectStore, Requests
from shuffle.base import Piece
from shuffle.frames import cut
from shuffle.redis.errors import LostNode
from shuffle.redis.nodes import Nodes
from shuffle.redis.place import Chunk, Place, chunks_of

# Bytes and values that are asked for in one go, and how often before the first have come.
_BATCH, _MOST, _AHEAD = 2 << 20, 1_000, 4


class Reading:
    """Reads pieces.

    Args:
        nodes: where they lie.
        spare: where those parts of them lie that did not fit.
        window: bytes, at most, that are under way or waiting to be used; one chunk is in any case.
        requests: counts them.
    """

    def __init__(self, nodes: Nodes, spare: ObjectStore | None, window: int, requests: Requests) -> None:
        self._nodes = nodes
        self._spare = spare
        self._window = window
        self._requests = requests

    def blocks(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        """The blocks of `pieces`, in order.

        Raises:
            LostBlocks: chunks are missing or too short; it names all map tasks that have such ones.
        """
        data = self._data([chunk for piece in pieces for chunk in chunks_of(piece)])
        try:
            yield from cut(data, pieces, lambda piece: Place(*piece.place).attempt)
        finally:
            data.close()

    def _data(self, chunks: Sequence[Chunk]) -> Generator[bytes]:
        """The bytes of each chunk."""
        waiting: deque[_Asked] = deque()
        asked = used = held = 0
        try:
            while used < len(chunks):
                while asked < len(chunks) and len(waiting) < _AHEAD:
                    batch = self._batch(chunks, asked)
                    size = sum(chunk.size for chunk in batch)
                    if waiting and held + size > self._window:
                        break
                    waiting.append(_Asked(batch, self._nodes, self._spare))
                    asked += len(batch)
                    held += size
                first = waiting.popleft()
                used += len(first.chunks)
                yield from self._checked(first, chunks, used)
                held -= sum(chunk.size for chunk in first.chunks)
        finally:
            for one in waiting:
                one.cancel()

    def _batch(self, chunks: Sequence[Chunk], start: int) -> Sequence[Chunk]:
        """Chunks from number `start` on that are asked for in one go."""
        end, room = start, min(_BATCH, self._window // 2)
        while end == start or (end < min(len(chunks), start + _MOST) and chunks[end].size <= room):
            room -= chunks[end].size
            end += 1
        return chunks[start:end]

    def _checked(self, asked: _Asked, chunks: Sequence[Chunk], end: int) -> list[bytes]:
        """The bytes of the chunks that were asked for, the last ones of `chunks` before number `end`."""
        answers = asked.wait()
        lost = [
            (chunk, answer)
            for chunk, answer in zip(asked.chunks, answers, strict=True)
            if not (isinstance(answer, bytes) and len(answer) == chunk.size)
        ]
        came = [
            len(answer)
            for chunk, answer in zip(asked.chunks, answers, strict=True)
            if chunk.start is None and isinstance(answer, bytes)
        ]
        if came:
            self._requests.add("get", read=sum(came))
        if lost:
            raise self._loss(lost, chunks[end:])
        return answers

    def _loss(self, lost: Sequence[tuple[Chunk, Any]], rest: Sequence[Chunk]) -> LostBlocks:
        """What to say of chunks that were lost, and of the `rest`, not asked for yet, of which more may be."""
        problems = [self._problem(chunk, answer) for chunk, answer in lost]
        tasks = {chunk.piece.task for chunk, _ in lost}
        nodes = {self._nodes.node(chunk.key) for chunk, answer in lost if isinstance(answer, LostNode)}
        unknown = []
        for chunk in rest:
            if chunk.start is None:
                if self._nodes.node(chunk.key) in nodes:
                    tasks.add(chunk.piece.task)
                else:
                    unknown.append(chunk)
        with suppress(StoreError):
            sizes = self._nodes.run([("STRLEN", chunk.key) for chunk in unknown])
            for chunk, size in zip(unknown, sizes, strict=True):
                if isinstance(size, LostNode) or (isinstance(size, int) and size != chunk.size):
                    tasks.add(chunk.piece.task)
        piece = lost[0][0].piece
        more = f"; data of {len(tasks) - 1} more map tasks is lost too" if len(tasks) > 1 else ""
        return LostBlocks(f"map task {piece.task}, attempt {piece.attempt}: {problems[0]}{more}", tuple(sorted(tasks)))

    def _problem(self, chunk: Chunk, answer: Any) -> str:
        """How a chunk was lost.

        Raises:
            StoreError: it was not: the store does not let itself be read.
        """
        if isinstance(answer, MissingObject | LostNode):
            return str(answer)
        if isinstance(answer, StoreError):
            raise answer
        if chunk.start is not None:
            return f"the object {chunk.key} ends early: {len(answer)} of {chunk.size} bytes from offset {chunk.start}"
        node = self._nodes.node(chunk.key)
        if isinstance(answer, Exception):
            raise node.explain(answer) from answer
        if answer is None:
            return (
                f"Redis at {node.name} has no key {chunk.key}: it was evicted or has expired, or the node has"
                " restarted; the policy noeviction and a longer ttl in the URL keep keys"
            )
        return f"Redis at {node.name} has {len(answer)} of {chunk.size} bytes under the key {chunk.key}"


class _Asked:
    """Chunks that have been asked for."""

    def __init__(self, chunks: Sequence[Chunk], nodes: Nodes, spare: ObjectStore | None) -> None:
        self.chunks = chunks
        self._pending = nodes.start([("GET", chunk.key) for chunk in chunks if chunk.start is None])
        self._spilled = [nodes.pool.submit(_get, spare, chunk) for chunk in chunks if chunk.start is not None]

    def wait(self) -> list[Any]:
        """The bytes of each chunk, or what came in their stead."""
        replies, spilled = iter(self._pending.wait()), iter(self._spilled)
        return [next(replies) if chunk.start is None else next(spilled).result() for chunk in self.chunks]

    def cancel(self) -> None:
        """Ask for nothing more."""
        self._pending.cancel()
        for future in self._spilled:
            future.cancel()


def _get(spare: ObjectStore | None, chunk: Chunk) -> bytes | StoreError:
    """The bytes of a chunk in the spare store, or the error."""
    if spare is None:
        return StoreError(f"{chunk.key} is in the object store that Redis spilled to, which was not given")
    assert chunk.start is not None
    try:
        return spare.get(chunk.key, chunk.start, chunk.start + chunk.size)
    except StoreError as error:
        return error
