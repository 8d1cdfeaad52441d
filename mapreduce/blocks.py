"""Blocks: self-describing, authenticated, compressed runs of records.

Keys that are an array that is a view into the array of the values, as the first bytes of each record
are, are no column of their own: they are described, and the values stored once.

A block on the wire:

    offset  bytes
    0       4      magic "MRB1"
    4       4      length of the header, little-endian
    8       8      length of the body, little-endian
    16      8      length of the body before compression, little-endian
    24      ...    header: JSON, padded with spaces so that the body starts at a multiple of 64
    ...     ...    body: the columns' buffers, each padded to a multiple of 64 unless compressed
    end-32  32     tag: keyed BLAKE3 of all before, in the block's context

The tag is checksum and authentication in one: nothing of the body is interpreted before it agrees.
Blocks lie back to back in an object; their lengths say where the next begins.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from mapreduce.columns import (
    Buffer,
    Column,
    decode_column,
    decode_view,
    describe_array,
    describe_view,
    encode_column,
    encode_view,
)
from mapreduce.errors import BlockError
from mapreduce.seal import TAG_SIZE, Seal

_MAGIC = b"MRB1"
_PREFIX = struct.Struct("<4sIQQ")
_ALIGN = 64
# zstd's fastest ordinary level: most of a shuffle's data is read once, soon after it was written.
_LEVEL = 1
# Blocks of fewer bytes are mostly header; compressing them gains nothing worth an import.
_SMALL = 512
# Bytes that tell whether compression gains anything.
_PROBE = 1 << 14


class Readable(Protocol):
    """Gives bytes in order."""

    def read(self, size: int, /) -> bytes:
        """The next bytes: at most `size`, and none at the end."""


class Block(NamedTuple):
    """Records as two columns of equal length: lists, or arrays of NumPy or Arrow."""

    keys: Any
    values: Any


def encode_block(keys: Any, values: Any, seal: Seal, context: str, *, compress: bool = True) -> bytes:
    """The block of these records.

    Args:
        keys: a column, list or array, of n keys.
        values: a column of n values.
        seal: of the job whose block it is.
        context: names the place of the block; decoding it anywhere else fails.
        compress: whether to compress it where that gains a tenth.

    Raises:
        ValueError: the columns differ in length.
        Exception: what pickle raises for an object that it cannot pickle.
    """
    if len(keys) != len(values):
        raise ValueError(f"a block needs as many keys as values, not {len(keys)} and {len(values)}")
    columns = [encode_view(keys, values) or encode_column(keys), encode_column(values)]
    body, compression, plain = _pack(columns, compress=compress)
    header = {
        "n": len(keys),
        "z": compression,
        "c": [[column.kind, column.detail, [memoryview(b).nbytes for b in column.buffers]] for column in columns],
    }
    head = _head(header, len(body), plain)
    return b"".join((head, body, seal.tag(context, head, body)))


def _head(header: dict[str, Any], size: int, plain: int) -> bytes:
    """The bytes before the body, whose sizes are given as written and before compression."""
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(_PREFIX.size + len(text)) % _ALIGN)
    return _PREFIX.pack(_MAGIC, len(text), size, plain) + text


class Layout(NamedTuple):
    """How a block of two arrays lies in memory, before its arrays are there.

    Attributes:
        head: its first bytes.
        keys: offset of the keys; None where they are a view into the values.
        values: offset of the values.
        size: bytes in all.
    """

    head: bytes
    keys: int | None
    values: int
    size: int


def lay_out(count: int, keys: Any, values: Any) -> Layout:
    """The layout of a block of `count` records of the kinds that the arrays `keys` and `values` hold.

    So a block can be put together where it will stay: the arrays first, `head`, then `seal_block`.
    """
    columns = [describe_view(keys, values) or describe_array(keys, count), describe_array(values, count)]
    sizes = [sum(column[2]) for column in columns]
    ends = [size + -size % _ALIGN for size in sizes]
    header = {"n": count, "z": "none", "c": columns}
    head = _head(header, sum(ends), sum(ends))
    return Layout(head, len(head) if columns[0][2] else None, len(head) + ends[0], len(head) + sum(ends) + TAG_SIZE)


def seal_block(block: memoryview, seal: Seal, context: str) -> None:
    """Write the tag at the end of a block that is otherwise complete."""
    block[-TAG_SIZE:] = seal.tag(context, block[:-TAG_SIZE])


def decode_block(data: Buffer, seal: Seal, context: str) -> Block:
    """The records of one block; uncompressed arrays share its memory.

    Raises:
        BlockError: `data` is not one whole block with the tag of `seal` and `context`.
    """
    view = _checked(data, seal, context)
    _, head_size, body_size, plain = _PREFIX.unpack_from(view)
    start = _PREFIX.size + head_size
    header = json.loads(bytes(view[_PREFIX.size : start]))
    body: Buffer = view[start : start + body_size]
    if header["z"] == "zstd":
        import zstandard

        body = memoryview(zstandard.ZstdDecompressor().decompress(body, max_output_size=plain))
    first, second = _unpack(header, memoryview(body))
    values = decode_column(second, header["n"])
    keys = decode_view(first, values) if first.kind == "v" else decode_column(first, header["n"])
    if not len(keys) == len(values) == header["n"]:
        raise BlockError(f"block {context} holds {len(keys)} keys and {len(values)} values, not {header['n']}")
    return Block(keys, values)


def _checked(data: Buffer, seal: Seal, context: str) -> memoryview:
    """All of a block but its tag, which is right."""
    view = memoryview(data)
    size = frame_size(view, context)
    if size != view.nbytes:
        raise BlockError(f"block {context} is truncated: {view.nbytes} of {size} bytes")
    if not seal.check(view[size - TAG_SIZE :], context, view[: size - TAG_SIZE]):
        raise BlockError(f"block {context} is corrupt or foreign: its tag does not match")
    return view[: size - TAG_SIZE]


def reseal_block(data: Buffer, seal: Seal, context: str, place: str) -> bytes:
    """A block moved from `context` to `place`, without being decoded.

    Raises:
        BlockError: `data` is not one whole block with the tag of `seal` and `context`.
    """
    content = _checked(data, seal, context)
    return b"".join((content, seal.tag(place, content)))


def frame_size(prefix: Buffer, context: str) -> int:
    """The length in bytes of the block that begins with `prefix`, its first 24 bytes or more.

    Raises:
        BlockError: no block begins so.
    """
    if memoryview(prefix).nbytes < _PREFIX.size:
        raise BlockError(f"block {context} is truncated: {memoryview(prefix).nbytes} bytes")
    magic, head_size, body_size, _ = _PREFIX.unpack_from(prefix)
    if magic != _MAGIC:
        raise BlockError(f"block {context} is corrupt: it begins with {bytes(magic)!r}, not {_MAGIC!r}")
    return int(_PREFIX.size + head_size + body_size + TAG_SIZE)


def plain_size(block: Buffer) -> int:
    """Bytes of the block's columns before compression: about what decoding them takes, or more."""
    return int(_PREFIX.unpack_from(block)[3])


def read_frames(stream: Readable, size: int, context: str) -> Iterator[bytes]:
    """The blocks that lie back to back in the next `size` bytes of `stream`, still encoded.

    Raises:
        BlockError: the bytes end inside a block, or are none.
    """
    left = size
    while left:
        prefix = _read(stream, min(_PREFIX.size, left))
        frame = frame_size(prefix, context)
        if frame > left:
            raise BlockError(f"block {context} is truncated: {left} of {frame} bytes are left")
        data = prefix + _read(stream, frame - len(prefix))
        if len(data) != frame:
            raise BlockError(f"block {context} is truncated: {len(data)} of {frame} bytes")
        left -= frame
        yield data


def _read(stream: Readable, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream, from a stream that may give fewer at a time."""
    data = stream.read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    while data and sum(map(len, parts)) < size:
        data = stream.read(size - sum(map(len, parts)))
        parts.append(data)
    return b"".join(parts)


def _pack(columns: list[Column], *, compress: bool) -> tuple[bytes, str, int]:
    """The body, its compression ('zstd', or 'none' where that gains less than a tenth) and its plain size."""
    buffers = [buffer for column in columns for buffer in column.buffers]
    total = sum(memoryview(buffer).nbytes for buffer in buffers)
    if compress and total >= _SMALL:
        import zstandard

        compressor = zstandard.ZstdCompressor(level=_LEVEL)
        # Much that cannot be compressed shows it in a part; trying takes as long as all else that is done with it.
        if total < 4 * _PROBE or any(_gains(compressor, buffer) for buffer in buffers):
            packed: bytes = compressor.compress(b"".join(buffers))
            if len(packed) < 0.9 * total:
                return packed, "zstd", total
    parts: list[Buffer] = []
    for buffer in buffers:
        parts += (buffer, bytes(-memoryview(buffer).nbytes % _ALIGN))
    body = b"".join(parts)
    return body, "none", len(body)


def _gains(compressor: Any, buffer: Buffer) -> bool:
    """Whether the middle of `buffer` can be compressed."""
    view = memoryview(buffer).cast("B")
    start = max(0, view.nbytes - _PROBE) // 2
    probe = view[start : start + _PROBE]
    return len(compressor.compress(probe)) < 0.9 * len(probe)


def _unpack(header: dict[str, Any], body: memoryview) -> list[Column]:
    columns, start = [], 0
    align = 1 if header["z"] == "zstd" else _ALIGN
    for kind, detail, sizes in header["c"]:
        buffers: list[Buffer] = []
        for size in sizes:
            buffers.append(body[start : start + size])
            start += size + -size % align
        columns.append(Column(kind, detail, buffers))
    return columns
