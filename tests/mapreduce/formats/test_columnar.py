"""Arrow's files and Parquet: every row once, wherever the file is cut; what is no such file is named."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ArrowInput, ConfigError, InputError, InputFormat, ParquetInput, StoreError, UnreachableStore
from mapreduce.formats import Segment, input_format
from mapreduce.objectstore.memory import MemoryStore


def table(rows: int) -> Any:
    """Some rows."""
    numbers = range(rows)
    return pa.table({"n": pa.array(numbers, pa.int32()), "s": [f"é{n}" if n % 3 else None for n in numbers]})


def parquet(rows: Any, size: int) -> bytes:
    """A Parquet file of row groups of a size."""
    file = io.BytesIO()
    pq.write_table(rows, file, row_group_size=size)
    return file.getvalue()


def feather(rows: Any, size: int) -> bytes:
    """A file of record batches of a size."""
    file = io.BytesIO()
    with pa.ipc.new_file(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=size)
    return file.getvalue()


def stream(rows: Any, size: int) -> bytes:
    """A stream of such batches."""
    file = io.BytesIO()
    with pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=size)
    return file.getvalue()


WAYS: list[tuple[Callable[..., InputFormat[Any]], Callable[[Any, int], bytes]]] = [
    (ParquetInput, parquet),
    (ArrowInput, feather),
    (ArrowInput, stream),
]
each_way = pytest.mark.parametrize(("reads", "write"), WAYS, ids=["parquet", "file", "stream"])


def held(data: bytes) -> MemoryStore:
    """A store that holds the object x."""
    store = MemoryStore("test-columnar")
    store.put("x", data)
    return store


def segments(data: bytes, cuts: list[int] = []) -> Iterator[Segment]:  # noqa: B006 - it is not changed
    """The segments of an object of these bytes, cut at these places."""
    ends = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(ends):
        yield Segment("x", start, end, len(data))


@each_way
def test_every_row_once(reads: Any, write: Any) -> None:
    """The batches of all segments hold the file's rows in order, and so do the records."""

    @given(st.integers(0, 40), st.integers(1, 9), st.lists(st.integers(0, 10**6), max_size=6))
    def check(rows: int, size: int, cuts: list[int]) -> None:
        data = write(table(rows), size)
        store = held(data)
        batches = [batch for one in segments(data, cuts) for batch in reads().batches(one, store, "x")]
        assert all(isinstance(batch, pa.RecordBatch) for batch in batches)
        assert [row for batch in batches for row in batch.to_pylist()] == table(rows).to_pylist()
        found = [record for one in segments(data, cuts) for some in reads().read(one, store, "x") for record in some]
        assert found == table(rows).to_pylist()

    check()


@pytest.mark.parametrize(("reads", "write"), WAYS[:2], ids=["parquet", "file"])
def test_pieces_are_spread(reads: Any, write: Any) -> None:
    """Equal segments have about as many pieces of the file."""
    data = write(table(400), 10)
    store = held(data)
    cuts = [len(data) * quarter // 4 for quarter in (1, 2, 3)]
    rows = [sum(map(len, reads().batches(one, store, "x"))) for one in segments(data, cuts)]
    assert rows == [100, 100, 100, 100]


@each_way
def test_columns(reads: Any, write: Any) -> None:
    """Only the columns that were asked for are given, in the order in which they were."""
    data = write(table(9), 4)
    (segment,) = segments(data)
    for columns in (["s"], ["s", "n"], []):
        batches = list(reads(columns=columns).batches(segment, held(data), "x"))
        assert all(batch.schema.names == columns for batch in batches)
        assert sum(map(len, batches)) == 9
    with pytest.raises(InputError, match="x has no column 'other'; it has: n, s"):
        list(reads(columns=["other"]).batches(segment, held(data), "x"))


def test_only_asked_columns_are_read() -> None:
    """The bytes of other columns of a Parquet file stay where they are."""
    data = parquet(pa.table({"a": range(50_000), "b": [f"{n * n}" for n in range(50_000)]}), 10_000)
    (segment,) = segments(data)
    sizes = []
    for columns in (["a"], None):
        store = MemoryStore("test-columnar-read")
        store.put("x", data)
        list(ParquetInput(columns=columns).batches(segment, store, "x"))
        sizes.append(store.requests.snapshot()["bytes_read"])
    assert 2 * sizes[0] < sizes[1]


@pytest.fixture(scope="module")
def large_rows() -> bytes:
    """A file of 100,000 rows of 800 bytes, in one group."""
    text = [f"{number:0200d}" for number in range(100_000)]
    return parquet(pa.table({"text": text, "wide": [word * 3 for word in text]}), 100_000)


@pytest.mark.parametrize("columns", [["text"], ["text", "wide"]])
def test_batches_have_about_one_size(large_rows: bytes, columns: list[str]) -> None:
    """Large row groups are read in several batches, by what is read of them."""
    data = large_rows
    (segment,) = segments(data)
    batches = list(ParquetInput(columns=columns).batches(segment, held(data), "x"))
    assert sum(map(len, batches)) == 100_000
    assert 1 < len(batches) < 12
    assert 12 << 20 < max(batch.nbytes for batch in batches) < 20 << 20


def test_batches_of_what_is_said_once() -> None:
    """Rows of one value, of a few bytes in the file, do not all come at once."""
    data = parquet(pa.table({"text": ["the same" * 9] * 600_000}), 600_000)
    assert len(data) < 10_000
    (segment,) = segments(data)
    batches = list(ParquetInput().batches(segment, held(data), "x"))
    assert list(map(len, batches)) == [262_144, 262_144, 75_712]


class Lost(MemoryStore):
    """A store that cannot be reached any more after some reads."""

    def __init__(self, name: str, reads: int) -> None:
        super().__init__(name)
        self.reads = reads

    def open(self, key: str, start: int = 0, end: int | None = None) -> Any:
        self.reads -= 1
        if self.reads < 0:
            raise UnreachableStore("the store is lost")
        return super().open(key, start, end)


@each_way
def test_a_store_that_is_lost(reads: Any, write: Any) -> None:
    """Its own error is raised, wherever that happens: a driver knows what to make of it."""
    data = write(table(300), 50)
    (segment,) = segments(data)
    lost = 0
    for number in range(100):
        store = Lost("test-columnar-lost", number)
        store.put("x", data)
        try:
            rows = sum(map(len, reads().batches(segment, store, "x")))
        except UnreachableStore:
            lost += 1
        else:
            assert rows == 300
            break
    assert 4 < lost < 60


@each_way
@pytest.mark.parametrize("data", [b"", b"ARROW1", b"PAR1", b"no columns at all, but some text" * 9])
def test_what_is_no_such_file(reads: Any, write: Any, data: bytes) -> None:
    """It is named, and so is one that is cut off."""
    good = write(table(100), 10)
    for bad in (data, good[: len(good) // 2]):
        (segment,) = segments(bad)
        with pytest.raises(InputError, match="x cannot be read as columns: "):
            list(reads().batches(segment, held(bad), "x"))


@each_way
def test_objects_that_cannot_be_read(reads: Any, write: Any) -> None:
    """Compressed as a whole, changed, gone: each is told."""
    data = write(table(5), 5)
    with pytest.raises(InputError, match=r"x\.gz is compressed as a whole"):
        reads().check("x.gz", 5)
    with pytest.raises(InputError, match="but had 7 when the job was planned"):
        list(reads().batches(Segment("x", 0, 7, 7), held(data), "x"))
    with pytest.raises(StoreError):
        list(reads().batches(Segment("y", 0, 7, 7), held(data), "y"))


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formats have names, are equal by what they read, and say what is wrong."""
    assert input_format("parquet") == ParquetInput() != ParquetInput(columns=["a"])
    assert input_format("arrow") == ArrowInput() != ParquetInput()
    assert repr(ParquetInput(columns=["a"])) == "ParquetInput(columns=('a',))"
    assert hash(ParquetInput(columns=["a"])) == hash(ParquetInput(columns=("a",)))
    with pytest.raises(ConfigError, match="ParquetInput: columns must be a list of names, not 'a'"):
        ParquetInput(columns="a")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"ArrowInput needs pyarrow: pip install 'bsp-mapreduce\[arrow\]'"):
        ArrowInput()
