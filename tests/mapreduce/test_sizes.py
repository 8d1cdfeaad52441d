"""Sizes as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import ConfigError
from mapreduce.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("1B", 1),
        ("64MB", 64_000_000),
        ("64 mb", 64_000_000),
        (" 1.5GiB ", 3 << 29),
        ("2k", 2000),
        ("1KiB", 1024),
        ("1T", 10**12),
        ("1PiB", 1 << 50),
        ("0.5KB", 500),
        ("0.1GB", 100_000_000),
        ("9007199254740993", 9007199254740993),
    ],
    ids=repr,
)
def test_sizes(text: str | int, size: int) -> None:
    """Units of 1000 and, with an "i", of 1024; any case, spaces, and decimals, exactly."""
    assert parse_size(text) == size


@given(st.integers(1, 10**30))
def test_any_int(size: int) -> None:
    """Bytes are exact, however many."""
    assert parse_size(size) == parse_size(str(size)) == parse_size(f"{size}B") == size


@pytest.mark.parametrize(
    "text",
    ["", "MB", "1XB", "1 2", "-1", "1e6", "1,5MB", ".5MB", "1.MB", "0x10", "inf", True, None, "٣MB", "1KbB"],
    ids=ascii,
)
def test_no_sizes(text: Any) -> None:
    """What is no size is refused with the setting's name and an example."""
    with pytest.raises(
        ConfigError, match=r"split_size: .* is not a size; write it like 64MB, 1\.5GiB or 4096"
    ) as caught:
        parse_size(text, "split_size")
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", [0, -5, "0", "0MB", "0.4", "0.0001KB"], ids=repr)
def test_nothing(text: Any) -> None:
    """No size is 0 or less."""
    with pytest.raises(ConfigError, match="memory: a size must be above 0"):
        parse_size(text, "memory")


def test_very_long_numbers() -> None:
    """A size of very many digits is a size."""
    assert parse_size("9" * 400) == int("9" * 400)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (12_500_000, "12.5 MB"),
        (123_456_789, "123 MB"),
        (5 * 10**12, "5.0 TB"),
        (5 * 10**16, "50000 TB"),
        (-1500, "-1.5 KB"),
        (0.4, "0 B"),
        (999_999, "1.0 MB"),
        (999_949, "1.0 MB"),
        (99_960, "100 KB"),
    ],
)
def test_shown(size: float, text: str) -> None:
    """Three digits or so, and never "1000 KB"."""
    assert format_size(size) == text
