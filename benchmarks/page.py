"""The page of figures in the documentation: sections, each written anew by the command that it names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.sheet import Sheet

_HEAD = """# Benchmarks

Figures of this package, beside those of others and of what the hardware gives. Each section is written by the command
in it, which replaces that section alone. Read the ratios, not the seconds: machines differ, and virtual ones have
neighbours.
"""


def section(title: str, text: str, command: str, machine: Mapping[str, Any], sheets: Iterable[Sheet]) -> str:
    """A section in Markdown.

    Args:
        title: its heading.
        text: what is measured, and how.
        command: what wrote it.
        machine: what the figures depend on.
        sheets: its tables.
    """
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    parts = [f"## {title}", text.strip(), f"    {command}", f"Measured on: {told}."]
    return "\n\n".join([*parts, *(sheet.markdown().strip() for sheet in sheets)])


def write_section(path: str, name: str, text: str) -> None:
    """Put a section into the page at `path`, in place of the one of this name, else at the end.

    Raises:
        OSError: the file cannot be read or written.
    """
    page = _HEAD
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            page = file.read()
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = page.partition(start)
    after = rest.partition(end)[2] if found else ""
    if not found:
        before = before.rstrip("\n") + "\n\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{start}\n{text.strip()}\n\n{end}{after}")
