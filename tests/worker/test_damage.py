"""Reduce tasks whose shuffle data is missing, damaged or exchanged fail, and name the map tasks to run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Reducer
from shuffle import AttemptId, Piece
from tests.worker.build import Laid, ordered
from worker.sinks import block_context


class Listed(Reducer):
    """Every value."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, sorted(values)


SPLITS = [[(n, n + 100 * task) for n in range(40)] for task in range(3)]
ORACLE = [(n, [n, n + 100, n + 200]) for n in range(40)]
#: Does damage to the pieces of reduce task 0; returns the map tasks whose data it concerns.
Damage = Callable[[Laid, list[Piece]], set[int]]


def mapped(**fields: Any) -> Laid:
    """A job whose map tasks have committed."""
    laid = Laid(SPLITS, reducer=Listed(), **fields)
    assert [laid.map(task) for task in range(3)] == ["committed"] * 3
    return laid


def pieces(laid: Laid, partition: int = 0) -> list[Piece]:
    """What a reduce task is to read."""
    return [Piece(*fields) for fields in laid.rows()[partition]]


def overwrite(laid: Laid, piece: Piece, data: bytes) -> None:
    """Replace the bytes of a piece."""
    whole = laid.storage.get(piece.place)
    laid.storage.put(piece.place, whole[: piece.start] + data + whole[piece.start + piece.size :])


def content(laid: Laid, piece: Piece) -> bytes:
    """The bytes of a piece."""
    return laid.storage.get(piece.place, piece.start, piece.start + piece.size)


def removed(laid: Laid, some: list[Piece]) -> set[int]:
    """An object is gone."""
    laid.storage.delete([some[1].place])
    return {1}


def truncated(laid: Laid, some: list[Piece]) -> set[int]:
    """An object ends in the middle of a piece."""
    laid.storage.put(some[2].place, laid.storage.get(some[2].place)[: some[2].start + some[2].size // 2])
    return {2}


def emptied(laid: Laid, some: list[Piece]) -> set[int]:
    """An object has no bytes."""
    laid.storage.put(some[0].place, b"")
    return {0}


def other_partition(laid: Laid, some: list[Piece]) -> set[int]:
    """A piece holds whole blocks of the same map attempt, of another partition."""
    laid.storage.put(some[1].place, content(laid, pieces(laid, 1)[1]) * 2)
    return {1}


def other_task(laid: Laid, some: list[Piece]) -> set[int]:
    """A piece holds whole blocks of another map task, of the same partition."""
    first, second = content(laid, some[0]), content(laid, some[1])
    laid.storage.put(some[1].place, (first + second)[: len(second)] + b"x" * len(first))
    return {1}


def other_attempt(laid: Laid, some: list[Piece]) -> set[int]:
    """A piece holds what a later attempt at the same map task wrote."""
    place = some[1].place
    laid.storage.delete([f"jobs/{laid.name}/rounds/0/done/00001"])
    laid.map(1, 1)
    laid.storage.put(place, laid.storage.get(f"{laid.name}/shuffle/0/00001.1"))
    return {1}


def other_job(laid: Laid, some: list[Piece]) -> set[int]:
    """A piece holds what a job of another secret wrote in the same place."""
    other = mapped(name=laid.name)
    laid.storage.put(some[1].place, other.storage.get(some[1].place))
    return {1}


@pytest.mark.parametrize(
    "damage",
    [removed, truncated, emptied, other_partition, other_task, other_attempt, other_job],
    ids=lambda f: f.__name__,
)
def test_damage_is_a_loss(damage: Damage) -> None:
    """Damage to a piece never gives a smaller or another result: it names the map task whose data is gone."""
    laid = mapped()
    laid.plan_reduce()
    lost = damage(laid, pieces(laid))
    assert laid.reduce(0) == "failed"
    failure = laid.failure(1)
    assert failure.kind == "LostBlocks"
    assert set(failure.lost) == lost
    assert laid.names(f"jobs/{laid.name}/rounds/1/done/") == set()
    assert laid.names(f"jobs/{laid.name}/rounds/1/out/") == set()


@given(data=st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    """No bit of a piece can change unnoticed; when its map task has run again, the result is right."""
    laid = mapped()
    laid.plan_reduce()
    some = pieces(laid)
    piece = data.draw(st.sampled_from(some))
    bit = data.draw(st.integers(0, 8 * piece.size - 1))
    damaged = bytearray(content(laid, piece))
    damaged[bit // 8] ^= 1 << bit % 8
    overwrite(laid, piece, bytes(damaged))
    assert laid.reduce(0) == "failed"
    assert laid.failure(1).lost == (piece.task,)
    laid.storage.delete([f"jobs/{laid.name}/rounds/0/done/{piece.task:05d}"])
    assert laid.map(piece.task, 1) == "committed"
    laid.plan_reduce()
    assert [laid.reduce(task, 1) for task in (0, 1)] == ["committed"] * 2
    assert ordered(laid.part(1, 0) + laid.part(1, 1)) == ordered(ORACLE)


def test_exchanged_pieces() -> None:
    """A row that points a task to another partition's pieces is noticed, whoever wrote the row."""
    laid = mapped()
    laid.plan_reduce([laid.rows()[1], laid.rows()[0]])
    for task in (0, 1):
        assert laid.reduce(task) == "failed"
        assert laid.failure(1, task).lost == (0,)


def test_missing_blocks_of_a_piece() -> None:
    """A piece of fewer blocks than were written is noticed, even if those it has are whole."""
    laid = Laid([[(n, bytes(3_000)) for n in range(600)]], reducer=Listed(), partitions=1, memory=1)
    assert laid.map() == "committed"
    [[row]] = laid.rows()
    piece = Piece(*row)
    assert piece.blocks > 2
    data = content(laid, piece)
    first = int.from_bytes(data[4:8], "little") + int.from_bytes(data[8:16], "little") + 24 + 32
    for size in (first, 0):
        laid.plan_reduce([[list(piece._replace(size=size))]])
        assert laid.reduce() == "failed"
        assert laid.failure(1).lost == (0,)
        assert f"wrote {piece.blocks} blocks" in laid.failure(1).reason


def test_contexts_differ() -> None:
    """Every block of a job is authenticated in a context that no other block has."""
    contexts = {
        block_context(AttemptId("job", 0, task, attempt), partition, number)
        for task in (0, 1, 11)
        for attempt in (0, 1, 11)
        for partition in (0, 1, 11)
        for number in (0, 1, 11)
    }
    assert len(contexts) == 81
