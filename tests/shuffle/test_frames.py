"""Blocks are cut out of chunks, wherever these end, and copied only there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import LostBlocks, MissingObject
from mapreduce.blocks import encode_block
from mapreduce.errors import BlockError
from mapreduce.seal import Seal
from shuffle import Piece
from shuffle.frames import Frames, cut

SEAL = Seal(b"of the tests")
BLOCKS = [encode_block([number] * number, ["x"] * number, SEAL, str(number)) for number in (0, 1, 7, 500)]


def chunked(data: bytes, ends: list[int]) -> list[bytes]:
    """`data` in chunks, some of them empty, that end at these offsets."""
    places = [0, *sorted(end % (len(data) + 1) for end in ends), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def piece(task: int, size: int) -> Piece:
    return Piece(task, 0, "place", 0, size, 1, 1)


@given(pieces=st.lists(st.lists(st.sampled_from(BLOCKS), max_size=4), max_size=4), ends=st.lists(st.integers(0)))
def test_chunks_may_end_anywhere(pieces: list[list[bytes]], ends: list[int]) -> None:
    """Pieces give their blocks, and no bytes of others."""
    given_pieces = [piece(task, sum(map(len, blocks))) for task, blocks in enumerate(pieces)]
    chunks = chunked(b"".join(block for blocks in pieces for block in blocks), ends)
    found = [(one.task, bytes(block)) for one, block in cut(chunks, given_pieces, str)]
    assert found == [(task, block) for task, blocks in enumerate(pieces) for block in blocks]


def test_blocks_within_a_chunk_are_not_copied() -> None:
    """They share the chunk's memory."""
    chunk = b"".join(BLOCKS)
    for block in Frames([chunk]).blocks(len(chunk), "here"):
        assert isinstance(block, memoryview)
        assert block.obj is chunk


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_truncated(most: int) -> None:
    """Bytes that end within a block, or a size that does, are an error behind the whole blocks before."""
    data = b"".join(BLOCKS[:3])
    ends = [0, *(sum(map(len, BLOCKS[:count])) for count in (1, 2, 3))]
    for size in range(len(data) + 1):
        for stream, length in ((data[:size], len(data)), (data, size)):
            chunks = [stream[start : start + most] for start in range(0, len(stream), most)]
            frames = Frames(chunks).blocks(length, "here")
            whole = max(end for end in ends if end <= size)
            if length == whole <= len(stream):
                assert b"".join(frames) == data[:length]
                continue
            found = b""
            with pytest.raises(BlockError, match="block here is truncated"):  # noqa: PT012 - the last one fails
                for frame in frames:
                    found += frame
            assert found == data[:whole]


@pytest.mark.parametrize("error", [MissingObject("it is gone"), BlockError("it ends early")])
def test_errors_name_the_map_task(error: Exception) -> None:
    """What goes wrong with a piece's bytes is told of the task that wrote it, after the pieces before."""

    def chunks() -> Iterator[bytes]:
        yield BLOCKS[1]
        raise error

    found = []
    pieces = [piece(4, len(BLOCKS[1])), piece(5, 100)]
    with pytest.raises(LostBlocks, match=f"map task 5, attempt 0: {error}") as caught:  # noqa: PT012 - as above
        for _, block in cut(chunks(), pieces, str):
            found.append(bytes(block))
    assert found == [BLOCKS[1]]
    assert caught.value.tasks == (5,)


def test_garbage() -> None:
    """Bytes that begin no block are lost ones."""
    with pytest.raises(LostBlocks, match="map task 2"):
        list(cut([b"x" * 100], [piece(2, 100)], str))
