"""Receipts, pieces and attempts as values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shuffle
from shuffle import AttemptId, Piece, Receipt, ShuffleStore
from shuffle.base import Partitioned

COUNTS = st.integers(0, 1 << 50)
PLACES = st.text() | st.lists(st.text() | st.integers()) | st.dictionaries(st.text(), st.none() | st.booleans())
PIECES = st.builds(Piece, COUNTS, COUNTS, PLACES, COUNTS, COUNTS, COUNTS, COUNTS)


def test_exported_names() -> None:
    """What the package hands on is sorted, and is there."""
    assert shuffle.__all__ == sorted(shuffle.__all__)
    assert all(hasattr(shuffle, name) for name in shuffle.__all__)


@given(pieces=st.dictionaries(COUNTS, PIECES, max_size=5))
def test_receipts_survive_json(pieces: dict[int, Piece]) -> None:
    """A receipt comes out of JSON as it went in, whatever JSON a store describes its places by."""
    receipt = Receipt(pieces)
    there = Receipt.from_json(json.loads(json.dumps(receipt.to_json())))
    assert there == receipt
    assert list(there.pieces) == list(pieces)
    assert there.size == sum(piece.size for piece in pieces.values())
    assert there.records == sum(piece.records for piece in pieces.values())


def test_attempts_have_names_of_their_own() -> None:
    """No two attempts share a name, and the names of a round's tasks sort by number."""
    attempts = list(map(AttemptId._make, itertools.product(("a", "a/1"), (0, 1, 11), (0, 1, 11, 100), (0, 1, 11))))
    assert len(set(map(str, attempts))) == len(attempts)
    tasks = [str(AttemptId("job", 0, task, 0)) for task in range(0, 99_999, 111)]
    assert tasks == sorted(tasks)


class Partial(ShuffleStore):
    """A store that leaves something out."""

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        return Receipt({})

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
        return iter(())


def test_a_store_must_do_all() -> None:
    """A store that lacks a part of the contract cannot be made."""
    with pytest.raises(TypeError, match=r"abstract methods '?discard'?, '?sweep'?"):
        Partial()  # type: ignore[abstract]
