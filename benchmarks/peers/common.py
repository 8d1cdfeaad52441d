"""What the scripts share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable


def arguments() -> argparse.Namespace:
    """The command line: `input`, `output`, `workers`, and `files`, the paths in the folder `input`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, help="folder of text files")
    parser.add_argument("--output", required=True, help="folder to make, for the parts")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    given.files = sorted(entry.path for entry in os.scandir(given.input))
    return given


def write_counts(output: str, counts: Iterable[tuple[str, int]]) -> None:
    """Write the one part of an output."""
    os.makedirs(output)
    with open(os.path.join(output, "part-00000"), "w", encoding="utf-8", newline="") as part:
        part.writelines(f"{word}\t{count}\n" for word, count in counts)
