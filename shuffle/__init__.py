"""Shuffle stores: where a round's blocks lie between map and reduce."""

from shuffle.base import AttemptId, Piece, Receipt, ShuffleStore
from shuffle.objects import ObjectShuffle
from shuffle.registry import open_shuffle

__all__ = ["AttemptId", "ObjectShuffle", "Piece", "Receipt", "ShuffleStore", "open_shuffle"]
