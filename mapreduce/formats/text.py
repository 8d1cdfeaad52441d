"""Text: lines in, lines of key, tab and value out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from mapreduce.errors import OutputError
from mapreduce.formats.base import InputFormat, OutputFormat, Segment
from mapreduce.formats.lines import check_encoding, decode_lines, line_chunks
from mapreduce.objectstore import ObjectStore

# Bytes of a batch of lines, about.
_BATCH = 4 << 20


class TextInput(InputFormat[str]):
    """A record for each line, without its line end (LF or CR LF); a batch is `bytes` of whole lines, as they are.

    Args:
        encoding: any in which the byte 0x0A is a line end and nothing else.
        errors: what becomes of bytes that are not text: "strict" ends the job with an error that names
            the file and the offset; "replace" reads U+FFFD; any other error handler of Python.
    """

    batched = True

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        check_encoding(encoding, errors)
        self.encoding = encoding
        self.errors = errors

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[str]]:
        for offset, run in line_chunks(segment, store, key):
            yield decode_lines(offset, run, self.encoding, self.errors, segment.url)

    def batches(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[bytes]:
        for _, run in line_chunks(segment, store, key, _BATCH):
            yield run


class PairsInput(InputFormat[tuple[str, str]]):
    """A pair of str for each line, cut at its first tab: what TextOutput wrote. Takes what TextInput takes.

    A line without a tab is a key with the value "".
    """

    def __init__(self, encoding: str = "utf-8", errors: str = "strict") -> None:
        check_encoding(encoding, errors)
        self.encoding = encoding
        self.errors = errors

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[tuple[str, str]]]:
        for offset, run in line_chunks(segment, store, key):
            lines = decode_lines(offset, run, self.encoding, self.errors, segment.url)
            yield [(name, value) for name, _, value in (line.partition("\t") for line in lines)]


class TextOutput(OutputFormat):
    """A line for each pair: str(key), a tab, str(value). Keys cannot hold tabs, neither can hold line ends."""

    def __init__(self) -> None:
        self._keys: set[type] = set()
        self._values: set[type] = set()

    def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        self._keys.update(map(type, keys))
        self._values.update(map(type, values))
        text = "".join([f"{key}\t{value}\n" for key, value in zip(keys, values, strict=True)])
        if text.count("\n") != len(keys) or text.count("\t") != len(keys) or "\r" in text:
            for key, value in zip(keys, values, strict=True):
                _check(key, value)
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise OutputError(
                f"text that is not Unicode: {text[max(0, error.start - 40) : error.end + 40]!r}"
            ) from error

    def detail(self) -> list[list[str]]:
        """The types of keys and of values, so that a result can be read back as what it was."""
        return [sorted(kind.__name__ for kind in kinds) for kinds in (self._keys, self._values)]

    def decode(self, stream: BinaryIO, detail: list[list[str]], name: str) -> Iterator[tuple[Any, Any]]:
        keys, values = (_reader(kinds, what, name) for kinds, what in zip(detail, ("keys", "values"), strict=True))
        with io.TextIOWrapper(stream, "utf-8", newline="\n") as lines:
            for line in lines:
                key, _, value = line[:-1].partition("\t")
                yield keys(key), values(value)


def _check(key: Any, value: Any) -> None:
    if any(character in str(key) for character in "\t\n\r"):
        raise OutputError(f"the key {key!r} holds a tab or a line end, which text output cannot show: {_REMEDY}")
    if any(character in str(value) for character in "\n\r"):
        raise OutputError(f"the value {value!r} of {key!r} holds a line end, which text output cannot show: {_REMEDY}")


_REMEDY = 'use output_format="jsonl" or "pickle"'
_READERS: dict[str, Callable[[str], Any]] = {
    "NoneType": lambda _: None,
    "bool": lambda text: text == "True",
    "float": float,
    "int": int,
    "str": str,
}


def _reader(kinds: list[str], what: str, name: str) -> Callable[[str], Any]:
    """Turns a field back into what it was.

    Raises:
        OutputError: the field's type cannot be told from its text.
    """
    if not kinds:
        return str
    if len(kinds) > 1 or kinds[0] not in _READERS:
        raise OutputError(
            f"the {what} of {name} were written as text from {', '.join(kinds)}, and cannot be read back from it: read"
            f" the lines yourself, give no output, or {_REMEDY}"
        )
    return _READERS[kinds[0]]
