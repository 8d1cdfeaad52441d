"""Apache Arrow's own files, and Parquet: columns in pieces, which are read piece by piece."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from operator import methodcaller
from typing import Any

from mapreduce.errors import ConfigError, InputError
from mapreduce.formats.base import InputFormat, Segment, check_size
from mapreduce.formats.compression import is_compressed
from mapreduce.objectstore import ObjectStore

# Bytes and rows of a batch, at most about, where the file leaves its size to its reader: of what is said once and
# referred to often, bytes tell little.
_BATCH, _MOST = 16 << 20, 1 << 18
# Records given one by one are made of so many rows at a time.
_ROWS = 1024


class _ColumnarInput(InputFormat[Any]):
    """Records in files of columns.

    A file's pieces are what it can be read by. Of n pieces of a file of s bytes, the ith counts as beginning at
    the byte s * i // n: so all segments agree on whose it is, though nobody but the file's end knows where it lies.
    """

    batched = True
    sparse = True

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        if isinstance(columns, str) or (columns is not None and not all(isinstance(name, str) for name in columns)):
            raise ConfigError(f"{type(self).__name__}: columns must be a list of names, not {columns!r}")
        if find_spec("pyarrow") is None:
            raise ConfigError(f"{type(self).__name__} needs pyarrow: pip install 'bsp-mapreduce[arrow]'")
        self.columns = None if columns is None else tuple(columns)

    def check(self, url: str, size: int) -> None:
        if is_compressed(url):
            raise InputError(
                f"{url} is compressed as a whole, so its columns cannot be found: decompress it; files of this format"
                " are compressed within"
            )

    def read(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[list[Any]]:
        for batch in self.batches(segment, store, key):
            for start in range(0, len(batch), _ROWS):
                yield batch.slice(start, _ROWS).to_pylist()

    def batches(self, segment: Segment, store: ObjectStore, key: str) -> Iterator[Any]:
        from mapreduce.arrow.columns import load_pyarrow

        pa = load_pyarrow()
        self.check(segment.url, segment.size)
        check_size(segment, store.size(key))
        with _naming(segment.url, pa):
            file = pa.PythonFile(_ObjectFile(store, key, segment.size), mode="r")
        batches = self._batches(file, segment)
        while True:
            with _naming(segment.url, pa):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
            del batch  # lest it is held while the next is made

    @abstractmethod
    def _batches(self, file: Any, segment: Segment) -> Iterator[Any]:
        """The batches of the pieces of a file that belong to a segment."""

    def _chosen(self, names: list[str], url: str) -> list[str] | None:
        """The columns to read, all of which the file must have; None for all."""
        if self.columns is None:
            return None
        if missing := [name for name in self.columns if name not in names]:
            raise InputError(f"{url} has no column {missing[0]!r}; it has: {', '.join(names)}")
        return list(self.columns)


class ArrowInput(_ColumnarInput):
    """Files in Arrow's IPC format (Feather, .arrow), or its streams: a batch is a `pyarrow.RecordBatch`, as written.

    A Mapper is given each row as a dict. Files are divided between record batches; a stream is one task's.

    Args:
        columns: names of the columns to give, in this order; all by default.
    """

    def _batches(self, file: Any, segment: Segment) -> Iterator[Any]:
        import pyarrow as pa

        magic = file.read(6)
        file.seek(0)
        if magic == b"ARROW1":
            with pa.ipc.open_file(file) as reader:
                names = self._chosen(reader.schema.names, segment.url)
                yield from _select(map(reader.get_batch, _pieces(segment, reader.num_record_batches)), names)
        elif _pieces(segment, 1):
            with pa.ipc.open_stream(file) as reader:
                names = self._chosen(reader.schema.names, segment.url)
                yield from _select(reader, names)


class ParquetInput(_ColumnarInput):
    """Parquet files: a batch is a `pyarrow.RecordBatch` of about 16 MB.

    A Mapper is given each row as a dict. Files are divided between row groups.

    Args:
        columns: names of the columns to read, in this order, and no others are; all by default.
    """

    def _batches(self, file: Any, segment: Segment) -> Iterator[Any]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(file, pre_buffer=True) as reader:  # adjacent columns by one request
            names = self._chosen(reader.schema_arrow.names, segment.url)
            for number in _pieces(segment, reader.num_row_groups):
                rows = _rows(reader.metadata.row_group(number), names)
                # One thread: each processor has a worker of its own.
                yield from _select(reader.iter_batches(rows, [number], names, use_threads=False), names)


def _select(batches: Iterable[Any], names: list[str] | None) -> Iterable[Any]:
    """The columns of these names, in this order, of each batch."""
    return batches if names is None else map(methodcaller("select", names), batches)


def _rows(group: Any, names: list[str] | None) -> int:
    """How many rows of a row group are a batch, of the columns of these names."""
    chunks = map(group.column, range(group.num_columns))
    size: int = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if names is None or chunk.path_in_schema.partition(".")[0] in names
    )
    count: int = group.num_rows
    return max(1, min(_MOST, count * _BATCH // max(1, size)))


def _pieces(segment: Segment, count: int) -> range:
    """The numbers of those of a file's pieces that belong to a segment."""
    if not segment.size:
        return range(count)
    first, end = (-(-place * count // segment.size) for place in (segment.start, segment.end))
    return range(first, end)


@contextmanager
def _naming(url: str, pa: Any) -> Iterator[None]:
    """Errors of Arrow that name the object."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{url} cannot be read as columns: {error}") from error


class _ObjectFile(io.RawIOBase):
    """An object that is read at any place: a request for each read."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, and return it."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left."""
        end = self._size if size < 0 else min(self._size, self._place + size)
        if self._place >= end:
            return b""
        data = self._store.get(self._key, self._place, end)
        self._place += len(data)
        return data
