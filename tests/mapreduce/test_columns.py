"""A column is read back as what it was: the same values, of the same types."""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.columns import Buffer, Column, decode_column, encode_column


def copied(values: Any) -> Any:
    """`values` through buffers that are read-only, as those of a block are."""
    column = encode_column(values)
    buffers: list[Buffer] = [memoryview(bytes(buffer)) for buffer in column.buffers]
    return decode_column(column._replace(buffers=buffers), len(values))


def shown(values: Sequence[Any]) -> list[tuple[type, str]]:
    """What tells 1 from True, 0.0 from -0.0, and one NaN from no other."""
    return [(type(value), repr(value)) for value in values]


TEXT = st.text(st.characters()) | st.text(st.sampled_from("a\x1f\n\0\ud800"))
WORDS = st.integers() | st.integers(-(2**63) - 1, -(2**63) + 1) | st.integers(2**63 - 1, 2**63 + 1)
PLAIN = {
    "str": TEXT,
    "int": WORDS,
    "float": st.floats(),
    "bytes": st.binary(),
    "bool": st.booleans(),
    "none": st.none(),
}
ANY = st.recursive(st.one_of(*PLAIN.values()), lambda parts: st.tuples(parts, parts) | st.lists(parts, max_size=3))


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
def test_columns_of_one_type(name: str, data: st.DataObject) -> None:
    """Lists of one plain type come back exactly."""
    values = data.draw(st.lists(PLAIN[name]))
    assert shown(copied(values)) == shown(values)
    assert type(copied(tuple(values))) is list


@given(st.lists(ANY))
def test_columns_of_any_types(values: list[Any]) -> None:
    """Lists of anything come back exactly."""
    assert shown(copied(values)) == shown(values)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"], "s"),
        (["a\x1f", "b\n"], "s"),
        (["a\x1f\n\0"], "p"),
        ([1, -(2**63), 2**63 - 1], "q"),
        ([2**63], "p"),
        ([1.5], "d"),
        ([b"", b"a"], "b"),
        (["a", 1], "p"),
        ([1, True], "p"),
        ([1, 1.0], "p"),
        ([None], "p"),
        ([], "p"),
        ([np.str_("a")], "p"),
        (np.arange(3), "n"),
        (np.array([None, 1]), "p"),
    ],
    ids=repr,
)
def test_kinds(values: Any, kind: str) -> None:
    """A column of one plain type is no pickle, where its values allow."""
    assert encode_column(values).kind == kind


def test_identity_within_a_column() -> None:
    """An object that occurs twice in a column is still one object."""
    shared = [1]
    one, other = copied([shared, shared])
    assert one is other


def test_large_values_lie_out_of_band() -> None:
    """The memory of large arrays among the values is not copied into the pickle."""
    column = encode_column([np.zeros(10_000), np.zeros(10)])
    assert [len(bytes(buffer)) for buffer in column.buffers][1:] == [80_000]
    assert len(bytes(column.buffers[0])) < 1000


@pytest.mark.parametrize("size", [10, 10_000])
def test_values_can_be_changed(size: int) -> None:
    """A value can be added to in place, whatever its size, as folds do with their totals."""
    values = [np.zeros(size), np.zeros(size).reshape(2, -1).T]
    for value in copied(values):
        np.add(value, 1, out=value)
        assert value.sum() == size
    assert values[0].sum() == 0


def test_what_was_read_only_stays_so() -> None:
    """A read-only array is still one after the copy."""
    fixed = np.zeros(10_000)
    fixed.flags.writeable = False
    (value,) = copied([fixed])
    assert not value.flags.writeable


class Local:
    """A class that pickle can name."""

    def __init__(self, x: int) -> None:
        self.x = x


def test_classes_by_reference_and_by_value() -> None:
    """Objects of modules' classes are pickled by name, those of a function's by value."""

    class Inner(Local):
        pass

    assert type(copied([Local(1)])[0]) is Local
    assert copied([Inner(5), lambda x: x + 1])[0].x == 5


def test_what_cannot_be_pickled() -> None:
    """The error says what it is, among others that can be."""
    with pytest.raises(TypeError, match=r"^a yielded builtins.generator cannot be sent on, .*: cannot pickle"):
        encode_column([1, None, (value for value in "ab")])
    with pytest.raises(
        TypeError, match=r"^a yielded builtins.list cannot be sent on, .*: cannot pickle '_thread.lock'"
    ):
        encode_column(["a", [threading.Lock()]])


def test_other_byte_order() -> None:
    """Words that were written in the other byte order are swapped."""
    words = array("q", [1, -2, 3])
    words.byteswap()
    other = "big" if sys.byteorder == "little" else "little"
    assert decode_column(Column("q", other, [words.tobytes()]), 3) == [1, -2, 3]


RECORD = np.dtype([("id", "u1"), ("point", "<f4", (2, 2)), ("inner", [("key", "S10"), ("when", "M8[ns]")])])
WIDE = np.zeros(3, [("a", "i1"), ("b", ">i4"), ("c", "f8")])
ARRAYS = {
    "ints": np.arange(5),
    "big-endian": np.arange(5, dtype=">u2"),
    "bools": np.array([True, False]),
    "complex": np.array([1j, 2]),
    "times": np.array(["2024-01-01", "NaT"], "M8[D]"),
    "spans": np.array([1, 2], "m8[ns]"),
    "texts": np.array(["a", "été"]),
    "bytes with trailing zeros": np.frombuffer(b"ab\0\0\0\0cd", "S4"),
    "void": np.frombuffer(b"ab\0\0\0\0cd", "V4"),
    "rows": np.arange(12.0).reshape(4, 3),
    "columns": np.asfortranarray(np.arange(12.0).reshape(4, 3)),
    "strided": np.arange(20)[::3],
    "reversed": np.arange(5)[::-1],
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "empty": np.zeros(0),
    "empty rows": np.zeros((0, 3), "S5"),
    "rows of nothing": np.zeros((3, 0)),
    "records": np.zeros(4, RECORD),
    "aligned": np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "some fields": WIDE[["a", "c"]],
    "fields out of order": WIDE[["c", "a"]],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    """An array comes back as an array of the same dtype, shape and bytes."""
    values = ARRAYS[name]
    result = copied(values)
    assert isinstance(result, np.ndarray)
    assert (result.dtype, result.shape, result.tobytes()) == (values.dtype, values.shape, values.tobytes())


@pytest.mark.parametrize(
    "values",
    [
        np.array([None, "a", [1]], object),
        np.array([(1, "a"), (2, None)], [("n", "i4"), ("any", object)]),
        np.zeros(3, "V0"),
        np.zeros(2, []),
    ],
    ids=["objects", "records of objects", "no bytes", "no fields"],
)
def test_arrays_without_plain_memory(values: Any) -> None:
    """An array that cannot be written as its bytes comes back as a list of its items."""
    result = copied(values)
    assert type(result) is list
    assert repr(result) == repr(values.tolist())
