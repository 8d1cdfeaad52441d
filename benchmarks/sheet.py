"""Tables of measurements, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from rich.console import Console


@dataclass
class Sheet:
    """A table; its first column holds names, the others numbers; line breaks in its head are for the terminal."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print it."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, name in enumerate(self.head):
            table.add_column(name, justify="right" if number else "left")
        for row in self.rows:
            table.add_row(*map(Text, row))
        console.print(table)
        for note in self.notes:
            console.print(note, highlight=False, markup=False, soft_wrap=True)

    def markdown(self) -> str:
        """The table in Markdown, under its title."""
        rule = ["---"] + ["---:"] * (len(self.head) - 1)
        lines = [
            f"| {' | '.join(cells)} |" for cells in ([name.replace("\n", " ") for name in self.head], rule, *self.rows)
        ]
        return "\n".join((f"### {self.title}", "", *lines, "", *(f"{note}  " for note in self.notes), ""))


def seconds(value: float) -> str:
    """A time for people."""
    return f"{value:.2f} s"


def rate(size: int, time: float) -> str:
    """Bytes in seconds, for people."""
    return f"{format_size(size / time)}/s"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The least and the largest of `values`."""
    return f"{min(values):.{digits}f}-{max(values):.{digits}f}"
