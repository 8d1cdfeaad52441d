"""The page of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.page import section, write_section
from benchmarks.sheet import Sheet


def test_section() -> None:
    """Title, text, command, machine and tables, in this order."""
    sheets = [Sheet("One", ("", "s"), [("a", "1")], ["a note"]), Sheet("Two", ("", "s"))]
    text = section("Title", "Text.\n", "mapreduce bench", {"processors": 2, "memory": "4 GB"}, sheets)
    assert text.split("\n\n") == [
        "## Title",
        "Text.",
        "    mapreduce bench",
        "Measured on: processors 2, memory 4 GB.",
        "### One",
        "|  | s |\n| --- | ---: |\n| a | 1 |",
        "a note",
        "### Two",
        "|  | s |\n| --- | ---: |",
    ]


@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_sections_are_replaced(name: str, tmp_path: Path) -> None:
    """A section takes the place of the one of its name, and leaves the others as they are."""
    page = tmp_path / "page.md"
    for one in ("one", "two", "three"):
        write_section(str(page), one, f"## {one}\n\nfigures of {one}\n")
    before = page.read_text()
    assert before.startswith("# Benchmarks\n\n")
    write_section(str(page), name, f"## {name}\n\nfigures of {name}")
    assert page.read_text() == before
    write_section(str(page), name, "## other")
    assert page.read_text() == before.replace(f"## {name}\n\nfigures of {name}\n", "## other\n")


def test_words_of_others_stay(tmp_path: Path) -> None:
    """What people wrote around sections stays."""
    page = tmp_path / "page.md"
    page.write_text("# Mine\n\nbefore\n")
    write_section(str(page), "one", "## one")
    page.write_text(page.read_text() + "\nafter\n")
    write_section(str(page), "one", "## new")
    assert page.read_text() == "# Mine\n\nbefore\n\n<!-- one -->\n\n## new\n\n<!-- end of one -->\n\nafter\n"
