"""Blocks out of the bytes that they lie in back to back, copied only where they must be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mapreduce.blocks import frame_size
from mapreduce.columns import Buffer
from mapreduce.errors import BlockError, LostBlocks, MissingObject
from shuffle.base import Piece

# Bytes of a block that tell its size.
_HEAD = 24


def cut(
    chunks: Iterable[Buffer], pieces: Iterable[Piece], name: Callable[[Piece], str]
) -> Iterator[tuple[Piece, Buffer]]:
    """The blocks of `pieces`, whose bytes `chunks` are, one piece after the other.

    Args:
        chunks: the bytes; may raise while they are asked for.
        pieces: what the bytes belong to.
        name: names a piece in errors.

    Raises:
        LostBlocks: a piece is missing, or holds something else than whole blocks.
    """
    frames = Frames(chunks)
    for piece in pieces:
        try:
            for block in frames.blocks(piece.size, name(piece)):
                yield piece, block
        except (MissingObject, BlockError) as error:
            raise LostBlocks(f"map task {piece.task}, attempt {piece.attempt}: {error}", (piece.task,)) from error


class Frames:
    """Cuts consecutive chunks of bytes into blocks; one that lies within a chunk shares its memory."""

    def __init__(self, chunks: Iterable[Buffer]) -> None:
        self._chunks = iter(chunks)
        self._chunk = memoryview(b"")
        self._at = 0  # offset in the chunk

    def blocks(self, size: int, context: str) -> Iterator[Buffer]:
        """The blocks in the next `size` bytes.

        Args:
            size: bytes in all.
            context: names the bytes in errors.

        Raises:
            BlockError: the bytes end inside a block, or are none.
        """
        left = size
        while left:
            head = self._take(min(_HEAD, left))
            frame = frame_size(head[0] if len(head) == 1 else b"".join(head), context)
            if frame > left:
                raise BlockError(f"block {context} is truncated: {left} of {frame} bytes are left")
            end = self._at + frame - _HEAD
            block: Buffer
            if len(head) == 1 and end <= len(self._chunk):
                block, self._at = self._chunk[end - frame : end], end
            else:
                block = b"".join((*head, *self._take(frame - _HEAD)))
                if len(block) < frame:
                    raise BlockError(f"block {context} is truncated: {len(block)} of {frame} bytes")
            left -= frame
            yield block

    def _take(self, size: int) -> list[memoryview]:
        """The next bytes: `size`, or fewer at the end."""
        parts = []
        while size:
            part = self._chunk[self._at : self._at + size]
            if part:
                parts.append(part)
                self._at += len(part)
                size -= len(part)
            elif (chunk := next(self._chunks, None)) is not None:
                self._chunk, self._at = memoryview(chunk), 0
            else:
                break
        return parts
