"""What requests cost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from benchmarks.compare.prices import SOURCE, price


@pytest.mark.parametrize(
    ("requests", "dollars"),
    [
        ({}, "0"),
        ({"put": 1_000}, "0.005"),
        ({"list": 200}, "0.001"),
        ({"get": 1_000, "size": 1_000}, "0.0008"),
        ({"delete": 10**9}, "0"),
        ({"put": 16, "get": 256, "delete": 1, "bytes_read": 10**9, "bytes_written": 10**9}, "0.0001824"),
        ({"put": 40_000, "get": 40_000}, "0.216"),
    ],
    ids=repr,
)
def test_price(requests: dict[str, int], dollars: str) -> None:
    """Exactly the list price: no rounding, and nothing for bytes."""
    assert price(requests) == Decimal(dollars)


def test_unknown_requests_are_not_free() -> None:
    """A kind of request without a price is an error."""
    with pytest.raises(KeyError, match="select"):
        price({"select": 1})


def test_source() -> None:
    """Where the prices stand, and of when they are, is told."""
    assert "https://aws.amazon.com/s3/pricing/" in SOURCE
    assert SOURCE.endswith("2026")
