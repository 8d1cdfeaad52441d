"""Bytes of equal length between NumPy and Arrow, without a step in Python for each."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from .records import Rows


def column(rows: Rows) -> Any:
    """The rows of an array of bytes as values of a column, in the same memory if they lie together there."""
    rows = np.ascontiguousarray(rows)
    ends = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
    return pa.Array.from_buffers(pa.large_binary(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(rows)])


def joined(values: Any) -> Any:
    """All values of an array of bytes back to back, in the same memory."""
    _, ends, data = values.buffers()
    width = np.int64 if pa.types.is_large_binary(values.type) else np.int32
    found = np.frombuffer(ends, width)[values.offset : values.offset + len(values) + 1]
    return np.frombuffer(data, np.uint8)[found[0] : found[-1]]
