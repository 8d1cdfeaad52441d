"""Compressed input: gzip, bzip2, xz and Zstandard, told by the name's suffix, always read whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from mapreduce.errors import InputError

_CHUNK = 1 << 17


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

    def __init__(self, opener: Callable[[BinaryIO], Any], stream: BinaryIO, name: str) -> None:
        self._name = name
        self._source = stream
        with self._naming():
            self._stream = opener(stream)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the next decompressed bytes go; 0 at the end."""
        with self._naming():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the compressed stream too."""
        self._source.close()
        super().close()

    @contextmanager
    def _naming(self) -> Iterator[None]:
        import zstandard

        try:
            yield
        except EOFError as error:
            raise InputError(f"{self._name} is truncated: its compressed data ends early") from error
        except (OSError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise InputError(f"{self._name} cannot be decompressed: {error}") from error


class _ZstdStream:
    """Reads Zstandard frames, one after the other, and notices a last one that is cut short."""

    def __init__(self, stream: BinaryIO) -> None:
        import zstandard

        self._context = zstandard.ZstdDecompressor()
        self._stream = stream
        self._frame: Any = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` decompressed bytes; b"" at the end."""
        while not self._rest:
            data = self._stream.read(_CHUNK)
            if not data:
                if self._frame is not None:
                    raise EOFError
                break
            self._rest = self._feed(data)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _feed(self, data: bytes) -> bytes:
        parts = []
        while data:
            if self._frame is None:
                self._frame = self._context.decompressobj()
            parts.append(self._frame.decompress(data))
            if not self._frame.eof:
                break
            data = self._frame.unused_data
            self._frame = None
        return b"".join(parts)


_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    ".bz2": lambda stream: bz2.BZ2File(stream),
    ".xz": lambda stream: lzma.LZMAFile(stream),
    ".zst": _ZstdStream,
}


def _opener(name: str) -> Callable[[BinaryIO], Any] | None:
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return _OPENERS.get(suffix)
