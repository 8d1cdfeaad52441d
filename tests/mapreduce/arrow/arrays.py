"""Arrays of Arrow that Hypothesis draws."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False)
TEXTS = st.text(max_size=9) | st.text("ab", min_size=250, max_size=270)

#: Types that keys may have, and their items.
KEYS: list[tuple[Any, Any]] = [
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.binary(), st.binary()),
    (pa.large_binary(), st.binary()),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.int64(), INTEGERS),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32, allow_nan=False)),
    (pa.float64(), FLOATS | INTEGERS.map(float)),
    (pa.bool_(), st.booleans()),
]
#: Types that values may have besides, and their items.
OTHERS: list[tuple[Any, Any]] = [
    (pa.null(), st.none()),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes()),
    (pa.decimal128(20, 3), st.decimals(-(10**9), 10**9, places=3).map(Decimal)),
    (pa.list_(pa.int32()), st.lists(st.none() | st.integers(-9, 9), max_size=3)),
    (pa.struct({"a": pa.string(), "b": pa.list_(pa.int8())}), st.fixed_dictionaries({"a": TEXTS, "b": st.none()})),
    (pa.map_(pa.string(), pa.int64()), st.lists(st.tuples(TEXTS, INTEGERS), max_size=2)),
]


@st.composite
def arrays(draw: Any, types: list[tuple[Any, Any]], *, nulls: bool = True, min_size: int = 0) -> Any:
    """An array, of some drawn type, that is a slice of another one."""
    kind, items = draw(st.sampled_from(types))
    found = draw(st.lists(st.none() | items if nulls else items, min_size=min_size, max_size=20))
    before, after = (draw(st.lists(items, max_size=9)) for _ in range(2))
    return pa.array(before + found + after, kind).slice(len(before), len(found))
