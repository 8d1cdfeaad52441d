"""Tables."""

from __future__ import annotations

import io

from rich.console import Console

from benchmarks.sheet import Sheet, rate, seconds, spread


def sheet() -> Sheet:
    """A table."""
    return Sheet("Title", ("", "bytes\nin"), [("one", "1 MB"), ("[two]", "2 MB")], ["a [note]"])


def test_markdown() -> None:
    """Names to the left, numbers to the right, notes below."""
    assert sheet().markdown().split("\n") == [
        "### Title",
        "",
        "|  | bytes in |",
        "| --- | ---: |",
        "| one | 1 MB |",
        "| [two] | 2 MB |",
        "",
        "a [note]  ",
        "",
    ]


def test_terminal() -> None:
    """All that it holds is shown, as it is."""
    console = Console(file=io.StringIO(), width=80)
    sheet().show(console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for piece in ("Title", "one", "1 MB", "[two]", "2 MB", "a [note]\n"):
        assert piece in shown


def test_figures() -> None:
    """Figures for people."""
    assert seconds(1.234) == "1.23 s"
    assert rate(50_000_000, 2) == "25.0 MB/s"
    assert spread([2.0, 1.0, 3.0]) == "1.00-3.00"
    assert spread([0.5], 3) == "0.500-0.500"
