"""Parts of the output."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import OutputError
from mapreduce.blocks import decode_block
from mapreduce.formats import OutputFormat
from mapreduce.formats.pickled import PickleOutput
from mapreduce.formats.text import TextOutput
from mapreduce.objectstore import open_store
from mapreduce.seal import Seal
from tests.worker.build import Memory, fresh
from worker.budget import Budget
from worker.output import BlockPart, FormatPart, PartWriter, part_context

SEAL = Seal(b"a secret of the tests")
PAIRS = st.lists(st.tuples(st.text(max_size=5) | st.none(), st.integers() | st.binary(max_size=9)), max_size=40)


class Broken(Exception):
    """Ends a part in the tests."""


class Wrong(OutputFormat):
    """Gives text where bytes are due."""

    def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        return "text"  # type: ignore[return-value]

    def decode(self, stream: BinaryIO, detail: Any, name: str) -> Any:
        raise NotImplementedError


def budget(full: Sequence[bool] = ()) -> Budget:
    """A small budget."""
    return Budget(1, Memory(full))


@given(calls=st.lists(PAIRS, max_size=4), full=st.lists(st.booleans(), max_size=10))
def test_block_parts(calls: list[list[tuple[Any, Any]]], full: list[bool]) -> None:
    """A part of blocks holds the pairs in order, and its record says where each block lies."""
    store = open_store(fresh())
    pairs = [pair for some in calls for pair in some]
    with BlockPart(store, "out/1", budget(full), SEAL) as writer:
        for some in calls:
            writer.add(iter(some))
        part = writer.finish()
    assert (part.key, part.records, part.detail) == ("out/1" if pairs else "", len(pairs), None)
    assert part.size == sum(part.blocks)
    found: list[Any] = []
    start = 0
    for number, size in enumerate(part.blocks):
        block = decode_block(store.get("out/1", start, start + size), SEAL, part_context("out/1", number))
        found += zip(block.keys, block.values, strict=True)
        start += size
    assert found == pairs
    assert {info.key: info.size for info in store.list("")} == ({"out/1": part.size} if pairs else {})


@given(calls=st.lists(PAIRS, max_size=4), full=st.lists(st.booleans(), max_size=10))
def test_format_parts(calls: list[list[tuple[Any, Any]]], full: list[bool]) -> None:
    """A part in a format is read by that format, and exists even if it is empty."""
    store = open_store(fresh())
    pairs = [pair for some in calls for pair in some]
    with FormatPart(store, "tmp/1", budget(full), PickleOutput()) as writer:
        for some in calls:
            writer.add(iter(some))
        part = writer.finish()
    data = store.get("tmp/1")
    assert (part.key, part.records, part.size, part.blocks) == ("tmp/1", len(pairs), len(data), [])
    assert list(PickleOutput().decode(io.BytesIO(data), part.detail, "part")) == pairs


@pytest.mark.parametrize("where", ["begin", "middle", "end"])
@pytest.mark.parametrize("kind", ["blocks", "format"])
def test_a_part_that_fails_leaves_nothing(kind: str, where: str) -> None:
    """An error of user code between two pairs drops the object."""
    store = open_store(fresh())
    writer: PartWriter = (
        BlockPart(store, "1", budget(), SEAL) if kind == "blocks" else FormatPart(store, "1", budget(), PickleOutput())
    )
    with pytest.raises(Broken), writer:  # noqa: PT012 - the context is what is tested
        if where != "begin":
            writer.add(("a", n) for n in range(10_000))
        if where == "end":
            writer.finish()
            assert list(store.list(""))
            store.delete(["1"])
        raise Broken
    assert list(store.list("")) == []


def test_pairs_are_written_as_they_come() -> None:
    """A part is written in batches of bounded size, before the last pair has been made."""
    some = budget()
    pulled = 0
    encoded: list[int] = []

    class Recording(PickleOutput):
        def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
            encoded.append(pulled)
            return super().encode(keys, values)

    def pairs() -> Iterator[tuple[int, bytes]]:
        nonlocal pulled
        for number in range(4_000):
            pulled += 1
            yield number, bytes(1_000)

    with FormatPart(open_store(fresh()), "1", some, Recording()) as writer:
        writer.add(pairs())
        writer.finish()
    assert len(encoded) > 20
    assert all(after - before <= 2 * some.block // 1_000 for before, after in pairwise([0, *encoded]))


def test_a_batch_is_cut_short_when_memory_fills_up() -> None:
    """Pairs that suddenly are large are not gathered by the number that fitted before."""
    size = [0]
    some = Budget(100_000_000, lambda: size[0])
    taken: list[int] = []

    class Recording(PickleOutput):
        def encode(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
            taken.append(len(keys))
            return b"x" * (9 * len(keys))

    def pairs() -> Iterator[tuple[str, int]]:
        for _ in range(200_000):
            yield "small", 1
        for _ in range(3_000):
            size[0] += 1_000_000
            yield "large", 1

    with FormatPart(open_store(fresh()), "1", some, Recording()) as writer:
        writer.add(pairs())
        writer.finish()
    assert max(taken) > 10_000
    assert max(taken[-20:]) < 50
    assert sum(taken) == 203_000


def test_errors_of_formats() -> None:
    """A format that refuses a pair, and one that gives no bytes, are errors that name the culprit."""
    with (
        pytest.raises(OutputError, match="holds a tab"),
        FormatPart(open_store(fresh()), "1", budget(), TextOutput()) as text,
    ):
        text.add([("a\tb", 1)])
    with (
        pytest.raises(OutputError, match=r"Wrong\(\)\.encode gave str, not bytes"),
        FormatPart(open_store(fresh()), "1", budget(), Wrong()) as wrong,
    ):
        wrong.add([("a", 1)])


def test_what_is_no_pair() -> None:
    """A reducer that yields something else is told so, with what it yielded."""
    with (
        pytest.raises(TypeError, match=r"pairs must be yielded, not 'word'"),
        BlockPart(open_store(fresh()), "1", budget(), SEAL) as part,
    ):
        part.add(["word"])  # type: ignore[list-item]
