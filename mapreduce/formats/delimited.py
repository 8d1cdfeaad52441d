"""CSV and its relatives."""

from __future__ import annotations

import codecs
import csv
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from mapreduce.errors import ConfigError, InputError
from mapreduce.formats.base import InputFormat, Segment, check_size, open_segment
from mapreduce.formats.lines import CHUNK, check_encoding, decode_lines, line_chunks, undecodable
from mapreduce.objectstore import ObjectStore

_ROWS = 500  # rows in one list


class CsvInput(InputFormat[Any]):
    """A record for each row: a dict by the names in the first row, or a list of fields.

    A quoted field may hold line ends. Where a row begins can then be told only by reading a file from
    its start, so one file is one task's; say `multiline=False` of data without such fields, and large
    files are cut as text is.

    Args:
        header: whether the first row of every file names the columns.
        delimiter: between fields.
        quotechar: around fields that hold delimiters, quotes (doubled) or line ends.
        multiline: whether quoted fields may hold line ends.
        encoding: as for TextInput.
        errors: as for TextInput.
    """

    def __init__(
        self,
        *,
        header: bool = True,
        delimiter: str = ",",
        quotechar: str = '"',
        multiline: bool = True,
        encoding: str = "utf-8",
        errors: str = "strict",
    ) -> None:
        check_encoding(encoding, errors)
        for name, character in (("delimiter", delimiter), ("quotechar", quotechar)):
            if len(character) != 1 or character in "\r\n":
                raise ConfigError(f"CsvInput: {name} must be one character, not {character!r}")
        self.header = header
        self.delimiter = delimiter
        self.quotechar = quotechar
        self.multiline = multiline
        self.splittable = not multiline
        self.encoding = encoding
        self.errors = errors

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[Any]]:
        csv.field_size_limit(sys.maxsize)  # the default refuses fields of more than 128 KiB
        if self.multiline:
            with open_segment(segment, store, key) as stream:
                rows = self._rows(self._lines(stream, segment.url), segment)
                yield from self._records(rows, self._names(rows, segment.url))
            return
        names = None
        if self.header:
            if segment.start:
                check_size(segment, store.size(key))
            first = next(line_chunks(segment._replace(start=0, end=min(1, segment.size)), store, key), (0, b""))
            run = first[1].partition(b"\n")[0]
            lines = decode_lines(0, run, self.encoding, self.errors, segment.url)
            names = self._names(self._rows(lines, segment), segment.url)
        rows = self._rows(self._cut_lines(segment, store, key), segment, names)
        if self.header and segment.start == 0:
            next(rows, None)
        yield from self._records(rows, names)

    def _names(self, rows: Iterator[list[str]], url: str) -> list[str] | None:
        """The names in the first row; None without a header."""
        if not self.header:
            return None
        names = next(rows, [])
        if names:
            names[0] = names[0].removeprefix("\ufeff")  # the byte order mark that spreadsheets write
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"{url}: the header names {min(twice)!r} twice; read it with header=False")
        return names

    def _rows(self, lines: Iterable[str], segment: Segment, names: list[str] | None = None) -> Iterator[list[str]]:
        """The rows of `lines`; where there is a header, each as wide as `names` or else the first one."""
        reader = csv.reader(lines, delimiter=self.delimiter, quotechar=self.quotechar, strict=True)
        width = None if names is None else len(names)
        end = 0
        try:
            for row in reader:
                if reader.line_num > end + 1 and not self.multiline:
                    raise csv.Error("a quoted field holds a line end; leave multiline=False out")
                end = reader.line_num
                if not row:
                    continue
                if self.header and len(row) != width:
                    if width is not None:
                        raise csv.Error(f"it has {len(row)} fields, the header {width}: {repr(row)[:200]}")
                    width = len(row)
                yield row
        except csv.Error as error:
            start = f" (counted from offset {segment.start})" if segment.start else ""
            raise InputError(f"{segment.url}: line {reader.line_num}{start} is not CSV: {error}") from error

    def _records(self, rows: Iterator[list[str]], names: list[str] | None) -> Iterator[list[Any]]:
        while batch := list(islice(rows, _ROWS)):
            yield batch if names is None else [dict(zip(names, row, strict=True)) for row in batch]

    def _cut_lines(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[str]:
        for offset, run in line_chunks(segment, store, key):
            yield from decode_lines(offset, run, self.encoding, self.errors, segment.url)

    def _lines(self, stream: BinaryIO, name: str) -> Iterator[str]:
        """Lines with their line ends, as the csv module wants them."""
        decoder = codecs.getincrementaldecoder(self.encoding)(self.errors)
        offset, rest, final = 0, "", False
        while not final:
            data = stream.read(CHUNK)
            final = not data
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(data, final)
            except UnicodeDecodeError as error:
                raise undecodable(name, offset - pending + error.start, error) from error
            offset += len(data)
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield line + "\n"
        if rest:
            yield rest
