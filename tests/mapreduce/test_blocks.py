"""A block gives back its records, or an error that names its context: never other records."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mapreduce import BlockError
from mapreduce.blocks import (
    decode_block,
    encode_block,
    frame_size,
    lay_out,
    plain_size,
    read_frames,
    seal_block,
)
from mapreduce.seal import Seal

SEAL = Seal(b"secret")
PLACE = "round 1, map 2, block 3"
OBJECTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.binary(),
    lambda parts: st.tuples(parts, parts) | st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=5,
)
DTYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.array_dtypes(max_size=3, allow_subarrays=True),
    st.sampled_from([np.dtype([("a", "i1"), ("b", "f8")], align=True), np.dtype("V7")]),
)


def copied(keys: Any, values: Any) -> tuple[Any, Any]:
    """The columns, through a block."""
    return decode_block(encode_block(keys, values, SEAL, PLACE), SEAL, PLACE)


sprung: list[str] = []


def spring() -> None:
    """Runs where a Trap is unpickled."""
    sprung.append("sprung")


class Trap:
    """Shows when it is unpickled."""

    def __reduce__(self) -> Any:
        return spring, ()


@pytest.fixture(params=[3, 2000], ids=["plain", "compressed"])
def trapped(request: pytest.FixtureRequest) -> bytes:
    """A block of objects that show when they are unpickled."""
    count: int = request.param
    keys = [f"key {number}" for number in range(count)]
    return encode_block(keys, [Trap()] * count, SEAL, PLACE)


@given(st.lists(st.tuples(OBJECTS, OBJECTS)))
@example([])
@example([("word", 1)] * 5000)
def test_objects(pairs: list[tuple[Any, Any]]) -> None:
    """Any objects come back equal, of the same types, in their order."""
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    assert repr(tuple(copied(keys, values))) == repr((keys, values))


@given(st.data())
def test_arrays(data: st.DataObject) -> None:
    """Arrays of any dtype, of rows too, come back with their dtype, shape and bytes."""
    dtype = data.draw(DTYPES)
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=40))
    size = dtype.itemsize * int(np.prod(shape))
    values = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), dtype).reshape(shape) if size else None
    if values is None:
        values = np.zeros(shape, dtype)
    keys, result = copied(np.arange(len(values)), values)
    assert keys.tolist() == list(range(len(values)))
    assert (result.dtype, result.shape, result.tobytes()) == (values.dtype, values.shape, values.tobytes())


def test_uncompressed_arrays_share_the_memory_of_the_block() -> None:
    """Decoding copies no array, and aligns it as in the block."""
    noise: Any = np.frombuffer(np.random.default_rng(1).bytes(80_000), "f8")
    block = np.frombuffer(encode_block(noise[::-1], noise, SEAL, PLACE), np.uint8)
    columns: Any = decode_block(block.data, SEAL, PLACE)
    for column in columns:
        assert np.shares_memory(block, column)
        assert (column.__array_interface__["data"][0] - block.__array_interface__["data"][0]) % 64 == 0


def test_compression() -> None:
    """What can be compressed is, and the size before is told; what cannot costs only its frame."""
    words = ["word"] * 10_000
    block = encode_block(words, words, SEAL, PLACE)
    assert len(block) < 1000
    assert plain_size(block) == 2 * (5 * 10_000 - 1)
    noise = np.random.default_rng(1).bytes(10_000)
    block = encode_block([noise], [1], SEAL, PLACE)
    assert 10_000 < plain_size(block) < len(block) < 10_500


def test_columns_of_different_lengths() -> None:
    """Keys and values must be as many."""
    with pytest.raises(ValueError, match="as many keys as values, not 2 and 1"):
        encode_block([1, 2], [1], SEAL, PLACE)


@pytest.mark.parametrize("secret", [b"other", b""], ids=["other", "empty"])
def test_other_secrets(trapped: bytes, secret: bytes) -> None:
    """A block of another job is refused, and nothing of it unpickled."""
    with pytest.raises(BlockError, match=f"block {PLACE} is corrupt or foreign"):
        decode_block(trapped, Seal(secret), PLACE)
    assert sprung == []


def test_other_contexts(trapped: bytes) -> None:
    """A block of this job from another place is refused by the name of the place that was read."""
    with pytest.raises(BlockError, match="block elsewhere is corrupt or foreign"):
        decode_block(trapped, SEAL, "elsewhere")
    assert sprung == []


def test_every_truncation(trapped: bytes) -> None:
    """A block cut anywhere is refused, and so is one with more behind it."""
    for size in range(len(trapped)):
        with pytest.raises(BlockError, match=f"block {PLACE} is truncated"):
            decode_block(trapped[:size], SEAL, PLACE)
    with pytest.raises(BlockError, match=PLACE):
        decode_block(trapped + b"\0", SEAL, PLACE)
    assert sprung == []


def test_every_flip(trapped: bytes) -> None:
    """A change of any byte, length fields and padding included, is refused."""
    for position in range(len(trapped)):
        for flip in (1, 0x80):
            changed = bytearray(trapped)
            changed[position] ^= flip
            with pytest.raises(BlockError, match=PLACE):
                decode_block(changed, SEAL, PLACE)
    assert sprung == []


def test_the_trap_works(trapped: bytes) -> None:
    """The objects of the tests above do show when they are unpickled."""
    decode_block(trapped, SEAL, PLACE)
    assert sprung
    sprung.clear()


def test_no_blocks() -> None:
    """What is no block is refused by its first bytes."""
    with pytest.raises(BlockError, match=f"block {PLACE} is corrupt: it begins with b'<htm'"):
        frame_size(b"<html>" * 10, PLACE)
    with pytest.raises(BlockError, match=f"block {PLACE} is corrupt"):
        decode_block(pickle.dumps(Trap()) * 10, SEAL, PLACE)
    assert sprung == []


class Trickle(io.RawIOBase):
    """Gives a byte or a few at a time, as sockets do."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, self._most))


BLOCKS = [encode_block([number] * number, ["x"] * number, SEAL, str(number)) for number in (0, 1, 500)]


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_read_frames(most: int) -> None:
    """Blocks that lie back to back are told apart, from a stream that gives fewer bytes than asked for."""
    data = b"".join(BLOCKS)
    stream: Any = Trickle(data + b"others' data", most)
    assert list(read_frames(stream, len(data), PLACE)) == BLOCKS
    assert stream.read(6) == b"others"[:most]
    assert list(read_frames(stream, 0, PLACE)) == []


@pytest.mark.parametrize("most", [3, 10_000])
def test_read_frames_truncated(most: int) -> None:
    """A stream that ends within a block, or a range that does, is an error behind the whole ones before."""
    data = b"".join(BLOCKS[:2])
    ends = {0, len(BLOCKS[0]), len(data)}
    for size in range(len(data) + 1):
        for stream, length in ((data[:size], len(data)), (data, size), (data[:size], size)):
            frames = read_frames(Trickle(stream, most), length, PLACE)
            if (length == size and size in ends) or size == len(data):
                assert b"".join(frames) == data[:size]
            else:
                found = b""
                with pytest.raises(BlockError, match=f"block {PLACE} is truncated"):  # noqa: PT012 - the last fails
                    for frame in frames:
                        found += frame
                assert found == data[: max(end for end in ends if end <= size)]


def test_keys_within_the_values() -> None:
    """Keys that are a slice of each record are stored with it, not beside it, and come back as one."""
    records = np.random.default_rng(3).integers(0, 256, (500, 100), dtype=np.uint8)
    data = encode_block(records[:, 5:15], records, SEAL, "x")
    assert len(data) < 500 * 101
    keys, values = decode_block(data, SEAL, "x")
    assert (values == records).all()
    assert (keys == records[:, 5:15]).all()
    assert np.shares_memory(keys, values)


@pytest.mark.parametrize(
    "pick",
    [lambda a: a["n"], lambda a: a["t"], lambda a: a["n"][::-1], lambda a: a["n"] + 1, lambda a: a[["n"]]],
    ids=["field", "field of arrays", "reversed", "computed", "fields"],
)
def test_any_keys_beside_structured_values(pick: Any) -> None:
    """Fields of structured values, and what only looks like one, come back equal."""
    values = np.zeros(9, [("t", ">i2", (2,)), ("n", "<f4"), ("s", "S3")])
    values["n"], values["t"] = np.arange(9), np.arange(18).reshape(9, 2)
    keys, found = decode_block(encode_block(pick(values), values, SEAL, "x"), SEAL, "x")
    assert (found == values).all()
    assert (keys == pick(values)).all()


@pytest.mark.parametrize("view", [True, False])
def test_a_block_made_in_place(view: bool) -> None:
    """A block whose arrays are written where it lies is the block that would have been encoded."""
    values = np.random.default_rng(1).integers(0, 256, (99, 7), dtype=np.uint8)
    keys = values[:, 2:5] if view else np.arange(99)
    layout = lay_out(99, keys, values)
    memory = np.full(layout.size, 0xEE, np.uint8)
    memory[: len(layout.head)] = np.frombuffer(layout.head, np.uint8)
    if layout.keys is not None:
        memory[layout.keys : layout.keys + keys.nbytes] = np.ascontiguousarray(keys).view(np.uint8).reshape(-1)
    memory[layout.values : layout.values + values.nbytes] = values.reshape(-1)
    seal_block(memory.data, SEAL, "x")
    assert (layout.keys is None) == view
    assert len(encode_block(keys, values, SEAL, "x", compress=False)) == layout.size
    found = decode_block(memory.data, SEAL, "x")
    assert (found.keys == keys).all()
    assert (found.values == values).all()
    memory[-33] ^= 1
    with pytest.raises(BlockError, match="tag does not match"):
        decode_block(memory.data, SEAL, "x")


def test_compression_is_not_tried_in_vain() -> None:
    """Large arrays are compressed where a part of them can be, and left alone where that gains nothing."""
    noise = np.random.default_rng(1).integers(0, 256, 200_000, dtype=np.uint8)
    text = np.tile(noise[:100], 2_000)
    assert len(encode_block(noise, text, SEAL, "x")) < 250_000
    assert len(encode_block(noise, text, SEAL, "x", compress=False)) > 400_000
    assert len(encode_block(noise, noise[::-1], SEAL, "x")) > 400_000
