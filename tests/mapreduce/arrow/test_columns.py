"""Columns of Arrow come back from a block as they were; what other libraries export becomes one of them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import ConfigError
from mapreduce.arrow.columns import arrow_array, is_arrow
from mapreduce.batches import rows_of
from mapreduce.blocks import decode_block, encode_block
from mapreduce.seal import Seal
from tests.mapreduce.arrow.arrays import KEYS, OTHERS, arrays

SEAL = Seal(b"secret")


@given(arrays(KEYS + OTHERS), st.booleans())
@example(pa.array(["word"] * 5_000), True)
@example(pa.array(["a", "b", None, "a"]).dictionary_encode().slice(1), True)
def test_columns(array: Any, compress: bool) -> None:
    """Arrays of any type, slices too, come back equal and of their type."""
    keys, values = decode_block(encode_block(array, array, SEAL, "x", compress=compress), SEAL, "x")
    assert keys.equals(array)
    assert values.equals(array)
    assert values.type == array.type
    values.validate(full=True)


def test_beside_others() -> None:
    """A column of a block may be of Arrow while the other is a list."""
    keys, values = decode_block(encode_block([1, 2], pa.array(["a", None]), SEAL, "x"), SEAL, "x")
    assert (keys, values.to_pylist()) == ([1, 2], ["a", None])


def test_memory_is_shared() -> None:
    """Decoding copies nothing, and aligns it; a slice is stored without the rest."""
    numbers = pa.array(np.random.default_rng(1).random(10_000))
    data = encode_block(numbers.slice(5_000), numbers.slice(5_000), SEAL, "x", compress=False)
    assert len(data) < 2 * 5_000 * 8 + 2_000
    block = np.frombuffer(data, np.uint8)
    for column in decode_block(block.data, SEAL, "x"):
        assert np.shares_memory(block, column.to_numpy())
        assert column.buffers()[1].address % 8 == 0


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2, None]),
        pa.chunked_array([[1], [], [2, None]]),
        pa.chunked_array([[1, 2, None]]).slice(0),
        pa.array([1, 2, None]).dictionary_encode(),
        pl.Series([1, 2, None]),
        [1, 2, None],
    ],
    ids=["array", "chunks", "one chunk", "dictionary", "polars", "list"],
)
def test_one_array(column: Any) -> None:
    """Whatever holds the same values becomes the same array."""
    assert arrow_array(column).equals(pa.array([1, 2, None]))


def test_what_is_one_array_is_not_copied() -> None:
    """It stays where it is, from another library too."""
    array = pa.array([1, 2, 3])
    assert arrow_array(array) is array
    for column in (pa.chunked_array([array]), pl.from_arrow(array)):
        assert arrow_array(column).buffers()[1].address == array.buffers()[1].address


def test_other_columns() -> None:
    """Strings of Polars, dictionaries in chunks, arrays of NumPy, and no chunks at all."""
    assert arrow_array(pl.Series(["a", None])).equals(pa.array(["a", None], pa.large_string()))
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["a"]).dictionary_encode()]
    assert arrow_array(pa.chunked_array(chunks)).to_pylist() == ["b", "a", "a"]
    assert arrow_array(np.arange(3)).equals(pa.array([0, 1, 2]))
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)[:, 1:3]
    assert arrow_array(rows).equals(pa.array([b"\1\2", b"\5\6", b"\t\n"], pa.binary(2)))
    assert arrow_array(pa.chunked_array([], pa.int8())).equals(pa.array([], pa.int8()))


def test_many_columns_are_rows() -> None:
    """A batch or a table is one column of structs."""
    batch = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    for columns in (batch, pa.table(batch), pl.DataFrame({"a": [1, 2], "b": ["x", None]})):
        assert rows_of(arrow_array(columns)) == rows


@pytest.mark.parametrize(
    "array",
    [
        pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
        pa.RunEndEncodedArray.from_arrays([2], [1]),
    ],
    ids=["union", "runs"],
)
def test_refusals(array: Any) -> None:
    """Types that cannot be taken apart are refused by name."""
    with pytest.raises(TypeError, match=r"columns of Arrow's type .* cannot be shuffled: cast them"):
        arrow_array(array)


def test_what_is_of_arrow() -> None:
    """Lists and arrays of NumPy are not."""
    assert is_arrow(pa.array([1]))
    assert is_arrow(pl.Series([1]))
    assert not any(map(is_arrow, ([1], np.arange(3), ("a",), b"")))


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    column = pl.Series([1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'bsp-mapreduce\[arrow\]'"):
        arrow_array(column)
