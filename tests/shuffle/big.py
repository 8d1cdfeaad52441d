"""Blocks of a size that matters."""

from __future__ import annotations

import random

from mapreduce.blocks import encode_block
from shuffle.testing import SEAL


def big_block(size: int, number: int = 0) -> bytes:
    """A block of a little more than `size` bytes, which cannot be compressed; another one for each number."""
    data = encode_block([random.Random(number).randbytes(size)], [number], SEAL, "big")
    assert size < len(data) < size + 1000
    return data
