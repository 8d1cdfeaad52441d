"""Fixed-width records: for every way to cut a file, exactly its records, of any bytes."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Block, ConfigError, FixedInput, FixedOutput, InputError, OutputError
from mapreduce.formats import Segment
from mapreduce.objectstore.folder import FolderStore
from mapreduce.objectstore.memory import MemoryStore


def segments(data: bytes, cuts: list[int]) -> Iterator[Segment]:
    """The segments of an object of these bytes, cut at these places."""
    ends = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(ends):
        yield Segment("x", start, end, len(data))


@given(st.integers(1, 9), st.binary(max_size=90), st.lists(st.integers(0, 1000), max_size=6))
def test_records_are_whole(width: int, data: bytes, cuts: list[int]) -> None:
    """The records of all segments are the file's, in records and in batches alike."""
    data = data[: len(data) // width * width]
    store = MemoryStore("test-fixed")
    store.put("x", data)
    expected = [data[start : start + width] for start in range(0, len(data), width)]
    reads = FixedInput(width)
    assert [r for s in segments(data, cuts) for some in reads.read(s, store, "x") for r in some] == expected
    batches = [batch.copy() for s in segments(data, cuts) for batch in reads.batches(s, store, "x")]
    assert all(batch.shape[1] == width and batch.dtype == np.uint8 for batch in batches)
    assert [row.tobytes() for batch in batches for row in batch] == expected


def test_keys() -> None:
    """With a key, records are pairs, and batches blocks whose keys are a view."""
    store = MemoryStore("test-fixed-keys")
    store.put("x", b"k1\0k2\0")
    reads = FixedInput(3, key=(1, 3))
    segment = Segment("x", 0, 6, 6)
    assert list(reads.read(segment, store, "x")) == [[(b"1\0", b"k1\0"), (b"2\0", b"k2\0")]]
    (block,) = reads.batches(segment, store, "x")
    assert isinstance(block, Block)
    assert block.keys.base is not None
    assert np.shares_memory(block.keys, block.values)
    assert block.keys.tobytes() == b"1\x002\0"


@pytest.mark.parametrize("left", [2 << 20, (2 << 20) + 5], ids=["whole records", "a part of one"])
def test_a_file_that_shrinks(left: int, tmp_path: Path) -> None:
    """Fewer records than there were are never taken for all."""
    size = 4 << 20
    (tmp_path / "x").write_bytes(bytes(size))
    lists = FixedInput(1024).read(Segment("x", 0, size, size), FolderStore(tmp_path), "x")
    assert next(lists)
    os.truncate(tmp_path / "x", left)
    with pytest.raises(InputError, match="x became shorter while it was read"):
        list(lists)


def test_what_is_kept_is_not_overwritten(tmp_path: Path) -> None:
    """A batch's memory is used again only if nobody holds a view into it."""
    data = np.random.default_rng(0).integers(0, 256, 40 << 20, dtype=np.uint8)
    data.tofile(tmp_path / "x")
    segment = Segment("x", 0, data.size, data.size)
    kept = [batch[:1] for batch in FixedInput(1024).batches(segment, FolderStore(tmp_path), "x")]
    assert len(kept) > 2
    first, where = 0, set()
    for batch in kept:
        assert batch.tobytes() == data[first : first + 1024].tobytes()
        where.add(batch.ctypes.data)
        first += 16 << 20
    assert len(where) == len(kept)
    addresses: set[int] = set()
    any(
        map(  # noqa: C417 - a generator would hold on to each batch
            lambda batch: addresses.add(batch.ctypes.data),
            FixedInput(1024).batches(segment, FolderStore(tmp_path), "x"),
        )
    )
    assert len(addresses) < len(kept)


@pytest.mark.parametrize("name", ["cut", "cut.gz"])
@pytest.mark.parametrize("method", ["read", "batches"])
def test_cut_off_files(tmp_path: Path, name: str, method: str) -> None:
    """A length that is no multiple of the width is an error that names the file, when it is read at the latest."""
    data = gzip.compress(b"x" * 250) if name.endswith("gz") else b"x" * 250
    (tmp_path / name).write_bytes(data)
    reads = FixedInput(100)
    with pytest.raises(InputError, match=rf"{name} has 250 bytes, which is no multiple of the 100 bytes of a record"):
        list(getattr(reads, method)(Segment(name, 0, len(data), len(data)), FolderStore(tmp_path), name))
    if name == "cut":
        with pytest.raises(InputError, match="cut has 250 bytes"):
            reads.check(name, 250)
    reads.check(name, 300)
    reads.check("any.gz", 250)


def test_compressed(tmp_path: Path) -> None:
    """Compressed files are read whole."""
    data = bytes(range(200))
    (tmp_path / "a.gz").write_bytes(packed := gzip.compress(data))
    (batch,) = FixedInput(100).batches(Segment("a.gz", 0, len(packed), len(packed)), FolderStore(tmp_path), "a.gz")
    assert batch.tobytes() == data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "record must be an int of 1 or more"),
        (("100",), "record must be an int"),
        ((10, (0, 11)), "within a record of 10 bytes, not (0, 11)"),
        ((10, (3, 3)), "key must be (start, end)"),
    ],
    ids=str,
)
def test_refusals(arguments: Any, message: str) -> None:
    """Widths that make no sense are refused."""
    with pytest.raises(ConfigError) as caught:
        FixedInput(*arguments)
    assert message in str(caught.value)


def test_output() -> None:
    """Values are written as they are, from lists and from arrays, and read back by their width."""
    writes = FixedOutput()
    rows = np.arange(6, dtype=np.uint8).reshape(2, 3)
    data = b"".join((writes.encode([None], [b"ab\0"]), writes.encode(rows[:, :1], rows)))
    assert data == b"ab\0" + rows.tobytes()
    assert list(FixedOutput().decode(io.BytesIO(data), writes.detail(), "x")) == [
        (None, b"ab\0"),
        (None, b"\0\1\2"),
        (None, b"\3\4\5"),
    ]
    assert FixedOutput().detail() is None
    assert list(FixedOutput().decode(io.BytesIO(b""), None, "x")) == []


def test_output_refusals() -> None:
    """Records of another width, and values that are no bytes, are refused."""
    writes = FixedOutput(3)
    with pytest.raises(OutputError, match="a record of 2 bytes was yielded among records of 3"):
        writes.encode([None], [b"ab"])
    with pytest.raises(OutputError, match="'abc' is no bytes"):
        writes.encode([None], ["abc"])
