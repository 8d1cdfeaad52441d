"""JSON lines: one JSON document a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from mapreduce.errors import InputError, OutputError
from mapreduce.formats.base import InputFormat, OutputFormat, Segment
from mapreduce.formats.lines import line_chunks
from mapreduce.objectstore import ObjectStore


class JsonLinesInput(InputFormat[Any]):
    """A record for each line's JSON document; blank lines are none. The encoding is UTF-8."""

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[Any]]:
        for offset, run in line_chunks(segment, store, key):
            lines = [line for line in run.split(b"\n") if line and not line.isspace()]
            try:
                records = list(map(json.loads, lines))
            except (ValueError, RecursionError):
                raise _first_bad(run, offset, segment.url) from None
            yield records


class JsonLinesOutput(OutputFormat):
    """A line `[key, value]` for each pair. Read back, tuples are lists and the keys of dicts str, as JSON has them."""

    def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        try:
            return "".join([f"{_dumps(pair)}\n" for pair in zip(keys, values, strict=True)]).encode()
        except (TypeError, ValueError):
            for pair in zip(keys, values, strict=True):
                _check(pair)
            raise

    def decode(self, stream: BinaryIO, detail: None, name: str) -> Iterator[tuple[Any, Any]]:
        for line in stream:
            key, value = json.loads(line)
            yield key, value


# allow_nan=False: NaN is not JSON, and most readers refuse it.
_dumps = json.JSONEncoder(allow_nan=False, ensure_ascii=True, separators=(",", ":")).encode


def _check(pair: tuple[Any, Any]) -> None:
    try:
        _dumps(pair)
    except (TypeError, ValueError) as error:
        raise OutputError(f'the pair {pair!r} is not JSON ({error}): use output_format="pickle"') from error


def _first_bad(run: bytes, offset: int, name: str) -> InputError:
    for line in run.split(b"\n"):
        try:
            if line and not line.isspace():
                json.loads(line)
        except (ValueError, RecursionError) as error:
            return InputError(f"{name}: the line at offset {offset} is not JSON: {error}; it begins {line[:60]!r}")
        offset += len(line) + 1
    return InputError(f"{name}: a line is not JSON")
