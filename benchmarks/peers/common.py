"""What the scripts share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

# Bytes of a part of a sorted output, about, where there are many.
_PART = 64_000_000


def arguments() -> argparse.Namespace:
    """The command line: `input`, `output`, `workers`; `files`, the paths in the folder `input`; `parts` of a sort."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, help="folder of files")
    parser.add_argument("--output", required=True, help="folder to make, for the parts")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    given.files = sorted(entry.path for entry in os.scandir(given.input))
    given.parts = max(2 * given.workers, sum(map(os.path.getsize, given.files)) // _PART)
    return given


def part(output: str, number: int = 0) -> str:
    """The path of a part of an output, whose folder is made."""
    os.makedirs(output, exist_ok=True)
    return os.path.join(output, f"part-{number:05d}")


def write_counts(output: str, counts: Iterable[tuple[str, int]], number: int = 0) -> None:
    """Write a part of a word count."""
    with open(part(output, number), "w", encoding="utf-8", newline="") as file:
        file.writelines(f"{word}\t{count}\n" for word, count in counts)
