"""Compressed input: gzip, bzip2, xz and Zstandard, told by the name's suffix, always read whole."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

from mapreduce.errors import InputError

_CHUNK = 1 << 17
# What Zstandard is given at a time: it decompresses all of it at once, to at most 32 K times as much.
_SLICE = 1 << 11


def is_compressed(name: str) -> bool:
    """Whether the suffix of `name` is that of a known compression."""
    return _opener(name) is not None


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """The decompressed bytes of `stream`; damaged or truncated data raises InputError when it is read."""
    opener = _opener(name)
    if opener is None:
        raise ValueError(f"{name} has no suffix of a known compression")
    return io.BufferedReader(_Checked(opener, stream, name), _CHUNK)


class _Checked(io.RawIOBase):
    """A decompressing stream whose errors name the object."""

    def __init__(self, opener: Callable[[], _Member], stream: BinaryIO, name: str) -> None:
        self._name = name
        self._source = stream
        with self._naming():
            self._members = _Members(opener, stream)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the next decompressed bytes go; 0 at the end."""
        with self._naming():
            data = self._members.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the compressed stream too."""
        self._source.close()
        super().close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except EOFError as error:
            raise InputError(f"{self._name} is truncated: its compressed data ends early") from error
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise InputError(f"{self._name} cannot be decompressed: {error}") from error


class _Member(Protocol):
    """A decompressor of one gzip member, bzip2 or xz stream, or Zstandard frame; as bz2.BZ2Decompressor is."""

    @property
    def needs_input(self) -> bool:
        """Whether `decompress` can give nothing before it is given more."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the member's end."""

    def decompress(self, data: bytes, max_length: int) -> bytes | memoryview:
        """Take `data`, and give `max_length` bytes at most."""


class _Members:
    """All members of a compressed file, one after the other; the last must be whole."""

    def __init__(self, make: Callable[[], _Member], stream: BinaryIO) -> None:
        self._make = make
        self._stream = stream
        self._member: _Member | None = make()  # an empty file lacks a member: it is truncated
        self._input = b""

    def read(self, size: int) -> bytes | memoryview:
        """At most `size` decompressed bytes; b"" at the end."""
        while self._member is not None or self._begin():
            member, data = self._member, b""
            assert member is not None
            if member.needs_input:
                data, self._input = self._input or self._stream.read(_CHUNK), b""
                if not data:
                    raise EOFError
            piece = member.decompress(data, size)
            if member.eof:
                self._member, self._input = None, member.unused_data
            if piece:
                return piece
        return b""

    def _begin(self) -> bool:
        """Begin the next member, unless there is none; zeros before it are padding."""
        self._input = self._input.lstrip(b"\0")
        while not self._input:
            data = self._stream.read(_CHUNK)
            if not data:
                return False
            self._input = data.lstrip(b"\0")
        self._member = self._make()
        return True


class _GzipMember:
    """One member of a gzip file."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._full = False

    @property
    def needs_input(self) -> bool:
        return not self._full

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._object.decompress(data or self._object.unconsumed_tail, max_length)
        self._full = len(piece) == max_length
        return piece


class _ZstdFrame:
    """One Zstandard frame."""

    def __init__(self) -> None:
        import zstandard

        self._object = zstandard.ZstdDecompressor().decompressobj()
        self._error = zstandard.ZstdError
        self._input = self._output = memoryview(b"")

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output

    @property
    def eof(self) -> bool:
        return bool(self._object.eof) and not self._output

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data) + self._input

    def decompress(self, data: bytes, max_length: int) -> memoryview:
        if data:
            self._input = memoryview(data)
        if not self._output:
            piece, self._input = self._input[:_SLICE], self._input[_SLICE:]
            try:
                self._output = memoryview(self._object.decompress(piece))
            except self._error as error:
                raise OSError(str(error)) from error
        piece, self._output = self._output[:max_length], self._output[max_length:]
        return piece


_OPENERS: dict[str, Callable[[], _Member]] = {
    ".gz": _GzipMember,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lzma.LZMADecompressor,
    ".zst": _ZstdFrame,
}


def _opener(name: str) -> Callable[[], _Member] | None:
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return _OPENERS.get(suffix)
