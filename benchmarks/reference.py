"""The right answer to a word count, and whether an output is it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest


def count_words(files: Iterable[str]) -> list[bytes]:
    """The lines of the output that a word count of `files` must have, sorted; plain Python in one process."""
    counts: Counter[str] = Counter()
    for path in files:
        with open(path, encoding="utf-8", newline="\n") as lines:
            for line in lines:
                counts.update(line.split())
    return sorted(f"{word}\t{count}\n".encode() for word, count in counts.items())


def difference(folder: str, expected: Sequence[bytes]) -> str:
    """How the parts in `folder` differ from `expected`, byte for byte but for the order of lines.

    Returns:
        A sentence about the first difference; "" if there is none.
    """
    lines: list[bytes] = []
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.startswith("part-"):
            with open(os.path.join(folder, name), "rb") as part:
                lines += part
    lines.sort()
    if lines == expected:
        return ""
    first = next(
        f"where {wanted!r} should be there is {found!r}"
        for found, wanted in zip_longest(lines, expected, fillvalue=b"")
        if found != wanted
    )
    return f"the output in {folder} is wrong: {len(lines):,} lines for {len(expected):,}; {first}"
