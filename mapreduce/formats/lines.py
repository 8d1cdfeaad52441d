"""Whole lines out of byte ranges: the one place that knows where a record begins.

A line belongs to the segment in which its first byte lies. A segment's reader therefore skips the
line that it enters in the middle of, and reads its own last line to its end, beyond the segment.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from mapreduce.errors import ConfigError, InputError
from mapreduce.formats.base import Segment, check_size, open_segment
from mapreduce.formats.compression import is_compressed
from mapreduce.objectstore import ObjectStore

# Lines are handled in lists of about this many bytes: larger ones fall out of the CPU's cache
# between reading, splitting and mapping (measured: 64 KiB is a fifth faster than 1 MiB).
CHUNK = 1 << 16
# Bytes asked for at a time, at most, to find the end of a line beyond a segment.
_LONGEST_STEP = 8 << 20


def line_chunks(segment: Segment, store: ObjectStore, key: str, chunk: int = CHUNK) -> Iterator[tuple[int, bytes]]:
    """The lines that begin in `segment`, in runs of whole lines with their line ends.

    Yields:
        Offset (in the decompressed bytes, where the object is compressed) and bytes of each run. Only
        the object's last line may lack a line end.
    """
    if is_compressed(segment.url):
        with open_segment(segment, store, key) as stream:
            yield from _whole_lines(stream, 0, chunk)
        return
    check_size(segment, store.size(key))
    start, end, size = segment.start, segment.end, segment.size
    if start >= end:
        return
    position = max(0, start - 1)  # the byte before the range tells whether a line begins with the range
    with store.open(key, position, end) as stream:
        if start:
            position += _skip_line(stream, chunk)
            if position >= end:
                return
        last = b""
        for offset, run in _whole_lines(stream, position, chunk):
            if not run.endswith(b"\n"):
                position, last = offset, run
                break
            yield offset, run
    if not last:
        return
    parts = [last]
    step = chunk
    while end < size and not parts[-1].endswith(b"\n"):
        with store.open(key, end, min(size, end + step)) as stream:
            more = stream.readline()
        if not more:  # it has become shorter, which the next job will notice
            break
        parts.append(more)
        end += len(more)
        step = min(2 * step, _LONGEST_STEP)
    yield position, b"".join(parts)


def _skip_line(stream: BinaryIO, chunk: int) -> int:
    """Move `stream` behind the next line end, or to its end; returns by how many bytes."""
    skipped = 0
    while line := stream.readline(chunk):
        skipped += len(line)
        if line.endswith(b"\n"):
            break
    return skipped


def _whole_lines(stream: BinaryIO, offset: int, chunk: int) -> Iterator[tuple[int, bytes]]:
    """Runs of whole lines from `stream`, which begins a line; what follows the last line end comes last."""
    rest: list[bytes] = []
    while data := stream.read(chunk):
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest.append(data)
            continue
        run = b"".join((*rest, data[:cut]))
        rest = [data[cut:]] if cut < len(data) else []
        yield offset, run
        offset += len(run)
    if rest:
        yield offset, b"".join(rest)


def decode_lines(offset: int, run: bytes, encoding: str, errors: str, name: str) -> list[str]:
    """The lines of a run without their line ends (LF or CR LF).

    Raises:
        InputError: the bytes are not in `encoding`; the message gives the first bad byte's offset.
    """
    try:
        text = run.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise undecodable(name, offset + error.start, error) from error
    *lines, last = text.split("\n")
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    if last:  # it has no line end, so a CR at its end is its own
        lines.append(last)
    return lines


def undecodable(name: str, offset: int, error: UnicodeDecodeError) -> InputError:
    """The error for a byte that is not text."""
    byte = error.object[error.start]
    return InputError(
        f"{name}: byte 0x{byte:02x} at offset {offset} is not {error.encoding} ({error.reason}); give the right"
        " encoding, or errors='replace' to read such bytes as U+FFFD"
    )


def check_encoding(encoding: str, errors: str) -> None:
    """Refuse encodings in which a byte 0x0A is not always a line end.

    Raises:
        ConfigError: the encoding or the error handler is unknown or unusable.
    """
    try:
        usable = "\n\r".encode(encoding) == b"\n\r"
        codecs.lookup_error(errors)
    except LookupError as error:
        raise ConfigError(f"{error}: encoding={encoding!r}, errors={errors!r}") from None
    if not usable:
        raise ConfigError(f"encoding {encoding!r} cannot be split at line ends; convert the input to UTF-8")
