"""Records of a fixed width, one behind the other, with nothing between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from mapreduce.blocks import Block
from mapreduce.errors import ConfigError, InputError, OutputError
from mapreduce.formats.base import InputFormat, OutputFormat, Segment, check_size, open_segment
from mapreduce.formats.compression import is_compressed
from mapreduce.objectstore import ObjectStore

# Bytes of a batch, about: what a processor's caches hold, and enough for NumPy to work at its own speed.
_BATCH = 16 << 20
# Records given one by one are read in lists of about this many bytes.
_LIST = 1 << 16


class FixedInput(InputFormat[Any]):
    """Records of `record` bytes each, of any bytes at all.

    A Mapper is given each record as bytes. A BatchMapper is given arrays of uint8 of the shape
    (n, record), no copies of what was read. With a `key`, records are pairs instead: (key, record) for a
    Mapper or without one, and a Block of both arrays for a BatchMapper, the keys a view into the records.

    Args:
        record: bytes of a record.
        key: the bytes of the record that are its key, as (start, end).
    """

    batched = True

    def __init__(self, record: int, key: tuple[int, int] | None = None) -> None:
        if not isinstance(record, int) or isinstance(record, bool) or record < 1:
            raise ConfigError(f"FixedInput: record must be an int of 1 or more, its bytes, not {record!r}")
        if key is not None and not 0 <= key[0] < key[1] <= record:
            raise ConfigError(f"FixedInput: key must be (start, end) within a record of {record} bytes, not {key!r}")
        self.record = record
        self.key = None if key is None else (key[0], key[1])

    def check(self, url: str, size: int) -> None:
        if not is_compressed(url) and size % self.record:
            raise self._broken(url, size)

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[Any]]:
        width = self.record
        for rows in self._rows(segment, store, key, _LIST):
            data = rows.tobytes()
            records = [data[start : start + width] for start in range(0, len(data), width)]
            if self.key is None:
                yield records
            else:
                start, end = self.key
                yield [(record[start:end], record) for record in records]

    def batches(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[Any]:
        # Nothing here may hold on to a batch: see `_arrays`.
        return map(self._batch, self._rows(segment, store, key, _BATCH))

    def _batch(self, rows: Any) -> Any:
        return rows if self.key is None else Block(rows[:, self.key[0] : self.key[1]], rows)

    def _rows(self, segment: Segment, store: ObjectStore, key: str, size: int) -> Iterator[Any]:
        """Arrays of about `size` bytes of the records that begin in the segment."""
        if is_compressed(segment.url):
            with open_segment(segment, store, key) as stream:
                yield from self._arrays(stream, segment.url, size, None)
            return
        check_size(segment, store.size(key))
        self.check(segment.url, segment.size)
        start, end = (-(-place // self.record) * self.record for place in (segment.start, segment.end))
        if start < end:
            with store.open(key, start, end) as stream:
                yield from self._arrays(stream, segment.url, min(size, end - start), end - start)

    def _arrays(self, stream: BinaryIO, url: str, size: int, expected: int | None) -> Iterator[Any]:
        import numpy as np

        most = max(1, size // self.record) * self.record
        buffer = np.empty(most, np.uint8)
        total = 0
        while filled := _fill(stream, buffer.data[: most if expected is None else min(most, expected - total)]):
            total += filled
            if filled % self.record:
                raise self._broken(url, total) if expected is None else _shrunk(url)
            yield buffer[:filled].reshape(-1, self.record)
            # Fresh memory is dear; it is taken only where somebody kept what was yielded.
            if sys.getrefcount(buffer) > _alone():
                buffer = np.empty(most, np.uint8)
        if expected is not None and total < expected:
            raise _shrunk(url)

    def _broken(self, url: str, size: int) -> InputError:
        return InputError(
            f"{url} has {size} bytes, which is no multiple of the {self.record} bytes of a record: it is cut off, or"
            " its records have another width"
        )


def _alone() -> int:
    """What sys.getrefcount tells of an object that one variable alone holds."""
    held = bytearray()
    return sys.getrefcount(held)


def _fill(stream: BinaryIO, buffer: memoryview) -> int:
    """Read until `buffer` is full or the stream ends; returns how many bytes."""
    filled = 0
    while filled < len(buffer):
        count = stream.readinto(buffer[filled:])  # type: ignore[attr-defined]  # all streams of stores have it
        if not count:
            break
        filled += count
    return filled


def _shrunk(url: str) -> InputError:
    return InputError(f"{url} became shorter while it was read: do not change the input while a job runs")


class FixedOutput(OutputFormat):
    """The values' bytes as they are, one behind the other; keys are not written.

    Args:
        record: bytes of a record, by which a result is read back; by default that of the first value written.
    """

    batched = True

    def __init__(self, record: int | None = None) -> None:
        self.record = record
        self._width = record

    def encode(self, keys: Any, values: Any) -> bytes | memoryview:
        if hasattr(values, "dtype"):
            from mapreduce.arrays.keys import as_rows

            rows = as_rows(values)
            self._check(rows.shape[1])
            data: memoryview = rows.reshape(-1).data
            return data
        for value in values:
            if not isinstance(value, bytes):
                raise OutputError(f"the value {value!r:.200} is no bytes: FixedOutput writes records as they are")
            self._check(len(value))
        return b"".join(values)

    def detail(self) -> int | None:
        """Bytes of a record; None where none was written."""
        return self._width

    def decode(self, stream: BinaryIO, detail: int | None, name: str) -> Iterator[tuple[Any, Any]]:
        """The records, each as a value of the key None."""
        while detail and (record := stream.read(detail)):
            yield None, record

    def _check(self, width: int) -> None:
        if self._width is None:
            self._width = width
        if width != self._width:
            raise OutputError(
                f"a record of {width} bytes was yielded among records of {self._width}: widths must agree"
            )

    def __repr__(self) -> str:
        return f"FixedOutput(record={self.record!r})"
