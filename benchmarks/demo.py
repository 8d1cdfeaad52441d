"""The demo: the words of the Python standard library's own sources, counted."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from heapq import nlargest
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from driver import Driver, Result
from driver.cli import progress, with_settings
from mapreduce import Job, Mapper, Reducer, TextInput
from mapreduce.sizes import format_size

_WORD = re.compile(r"[^\W\d_]{2,}")


class Words(Mapper[str, str, int]):
    """Every word of a line, in lower case."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        self.task.count("lines")
        for word in _WORD.findall(line):
            yield word.lower(), 1


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        self.task.count("different words")
        yield word, sum(counts)


def sources() -> list[str]:
    """The source files of the standard library on this machine."""
    folder = Path(sysconfig.get_path("stdlib"))
    return sorted(
        str(path) for path in folder.rglob("*.py") if not {"site-packages", "dist-packages"} & set(path.parts)
    )


@click.command()
@click.option("--output", metavar="DIR", default="demo-output", show_default=True, help="Folder for the output.")
@with_settings
def demo(output: str, **settings: Any) -> None:
    """Count the words of the Python standard library's sources."""
    # Some of the library's tests are written in other encodings on purpose.
    words = Job(mapper=Words(), combiner=sum, reducer=Total(), input_format=TextInput(errors="replace"))
    with Driver(**{"split_size": "2MB", **_given(settings), "overwrite": True}, callbacks=[progress()]) as driver:
        show(driver.run(words, sources(), output), Console())


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def show(result: Result[str, int], console: Console) -> None:
    """Print the most frequent words, the counters, and the rounds."""
    words = Table("word", "count", title="Most frequent words")
    words.columns[1].justify = "right"
    for word, count in nlargest(10, result, key=lambda pair: (pair[1], pair[0])):
        words.add_row(word, f"{count:,}")
    console.print(words)
    rounds = Table("round", "tasks", "pairs or lines read", "pairs written", "seconds", title="Rounds")
    for column in rounds.columns[1:]:
        column.justify = "right"
    for one in result.rounds:
        read = f"{one.records_in:,} ({format_size(one.bytes_in)})"
        written = f"{one.records_out:,} ({format_size(one.bytes_out)})"
        rounds.add_row(f"{one.number}: {one.kind}", str(one.tasks), read, written, f"{one.seconds:.2f}")
    console.print(rounds)
    for name, count in result.counters.items():
        console.print(f"{name}: {count:,}", highlight=False)
    console.print(f"{result.metrics['seconds']:.2f} s in all; output: {result.output}", highlight=False, soft_wrap=True)
