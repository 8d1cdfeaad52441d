"""What a look at a store found."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: "failed": jobs cannot be run so; "warning": they can, and something is worth knowing.
Verdict = Literal["ok", "warning", "failed"]


class Finding(NamedTuple):
    """What was looked at, in a word or two, and what was found, in words for the user.

    Attributes:
        what: what was looked at.
        verdict: whether it is well.
        found: what was found.
        remedy: what to do about it; "" where that is nothing, or stands in `found`.
    """

    what: str
    verdict: Verdict
    found: str
    remedy: str = ""
