"""Pickled pairs come back only as the job wrote them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import AuthenticationError, PickleOutput

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(),
    lambda parts: st.tuples(parts) | st.lists(parts, max_size=3) | st.frozensets(st.text(), max_size=1),
    max_leaves=5,
)


def written(pairs: list[tuple[Any, Any]], calls: int = 1) -> tuple[bytes, str]:
    """The bytes and the digest of a part of `pairs`."""
    form = PickleOutput()
    data = b""
    for number in range(calls):
        chosen = pairs[number::calls]
        data += form.encode([key for key, _ in chosen], [value for _, value in chosen])
    return data, form.detail()


def read_back(data: bytes, detail: str) -> list[tuple[Any, Any]]:
    """The pairs of a part."""
    return list(PickleOutput().decode(io.BytesIO(data), detail, "out/part-00000"))


@given(st.lists(st.tuples(ANY, ANY)), st.integers(1, 3))
def test_read_back(pairs: list[tuple[Any, Any]], calls: int) -> None:
    """Pairs of any objects come back, in their order."""
    expected = [pair for number in range(calls) for pair in pairs[number::calls]]
    assert repr(read_back(*written(pairs, calls))) == repr(expected)


def test_readable_without_us() -> None:
    """A part is pickles, one behind the other."""
    stream = io.BytesIO(written([("a", 1), (("b", None), [2])])[0])
    assert [pickle.load(stream), pickle.load(stream)] == [("a", 1), (("b", None), [2])]
    assert stream.read() == b""


def test_objects_by_value() -> None:
    """What pickle cannot name is pickled by value."""
    add: Callable[[int], int] = lambda value: value + 1  # noqa: E731 - a function without a name
    ((_, function),) = read_back(*written([("add", add)]))
    assert function(1) == 2


sprung: list[str] = []


def spring() -> None:
    """Runs where a Trap is unpickled."""
    sprung.append("sprung")


class Trap:
    """Shows when it is unpickled."""

    def __reduce__(self) -> Any:
        return spring, ()


def test_nothing_else_is_loaded() -> None:
    """A part that was changed, cut or exchanged is refused by name before any of it is loaded."""
    data, detail = written([(Trap(), 1)])
    flips = [data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :] for position in range(len(data))]
    for wrong in (*flips, *(data[:size] for size in range(len(data))), data + data, pickle.dumps((Trap(), 2))):
        with pytest.raises(AuthenticationError, match=r"^out/part-00000 is not what the job wrote; it was not loaded"):
            read_back(wrong, detail)
    assert sprung == []
    read_back(data, detail)
    assert sprung == ["sprung"]


def test_the_checked_bytes_are_those_that_are_loaded() -> None:
    """A stream is read once: it cannot pass the check and then say something else."""
    data, detail = written([("a", 1), ("b", 2)])
    stream = io.BytesIO(data)
    pairs = PickleOutput().decode(stream, detail, "part")
    assert next(pairs) == ("a", 1)
    stream.seek(0)
    stream.write(b"\0" * len(data))
    assert next(pairs) == ("b", 2)


def test_copies_begin_anew() -> None:
    """A format that has served travels as one that has not: each part has its own digest."""
    form = PickleOutput()
    form.encode(["a"], [1])
    other = pickle.loads(pickle.dumps(form))
    assert other == form
    other.encode(["b"], [2])
    assert other.detail() == written([("b", 2)])[1]
    assert form.detail() == written([("a", 1)])[1]
