"""Sizes in bytes, as people write them: 64MB, 1.5GiB, 4096."""

from __future__ import annotations

import re
from fractions import Fraction

from mapreduce.errors import ConfigError

_UNITS = {
    "": 1,
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgtp", 1)},
    **{letter: 1000**power for power, letter in enumerate("kmgtp", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgtp", 1)},
}
_PATTERN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.ASCII | re.IGNORECASE)


def parse_size(text: str | int, setting: str = "size") -> int:
    """Bytes in `text`: an int, or a number with B, KB, MB, GB, TB (1000) or KiB, MiB ... (1024).

    Raises:
        ConfigError: `text` is no such size, or not above 0; the message names `setting`.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        size = text
    else:
        match = _PATTERN.fullmatch(str(text))
        if match is None or match[2].lower() not in _UNITS:
            raise ConfigError(f"{setting}: {text!r} is not a size; write it like 64MB, 1.5GiB or 4096")
        size = int(Fraction(match[1]) * _UNITS[match[2].lower()])
    if size <= 0:
        raise ConfigError(f"{setting}: a size must be above 0, not {text!r}")
    return size


def format_size(size: float) -> str:
    """`size` bytes for people, in units of 1000: '12.5 MB'."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        digits = 0 if unit == "B" or abs(size) >= 99.95 else 1
        if abs(round(size, digits)) < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.{digits}f} {unit}"
