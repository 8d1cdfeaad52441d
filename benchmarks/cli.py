"""The command line of the benchmarks."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from driver.cli import with_settings

if TYPE_CHECKING:
    from rich.console import Console

_json = click.option("--json", "as_json", is_flag=True, help="Print a document for machines instead of tables.")
_data = click.option(
    "--data",
    metavar="DIR",
    help="Where generated text is kept.  [default: $BENCHMARK_DATA, else ~/.cache/mapreduce/bench]",
)


@click.group()
def bench() -> None:
    """Measure on this machine, and check the results."""


@bench.command()
@click.option("--size", metavar="SIZE", default="100MB", show_default=True, help="How much text.")
@_data
@click.option("--output", metavar="DIR", help="Folder for the output; without one it is deleted in the end.")
@_json
@with_settings
def wordcount(size: str, data: str | None, output: str | None, *, as_json: bool, **settings: Any) -> None:
    """Count the words of a text, and compare with a plain Counter."""
    from benchmarks import wordcount
    from driver import Driver
    from driver.cli import progress
    from mapreduce.sizes import parse_size

    bytes_in = parse_size(size, "--size")
    with Driver(**settings, callbacks=[progress()]) as driver:
        report = wordcount.run(driver, bytes_in, data=data, output=output)
    if as_json:
        _print_json(report)
    else:
        wordcount.show(report, _console())
    if report.difference:
        raise click.ClickException(report.difference)


@bench.command()
@click.option("--tasks", default=1000, show_default=True, help="Tasks of a job of many.")
@click.option("--runs", default=5, show_default=True, help="How often to measure.")
@click.option("--workers", default=2, show_default=True, help="Tasks that run at once.")
@_json
def overhead(tasks: int, runs: int, workers: int, *, as_json: bool) -> None:
    """Time jobs that do nothing: whole processes, and tasks."""
    from benchmarks import overhead

    report = overhead.run(workers=workers, tasks=tasks, runs=runs)
    if as_json:
        _print_json(report, task_milliseconds=report.task_milliseconds)
    else:
        overhead.show(report, _console())


@bench.command()
@click.option("--size", metavar="SIZE", default="1GB", show_default=True, help="How much text.")
@click.option("--memory", metavar="SIZE", default="256MB", show_default=True, help="Memory that one worker may use.")
@click.option("--workers", type=int, metavar="N", help="Tasks that run at once.  [default: one for each processor]")
@_data
@_json
def memory(size: str, memory: str, workers: int | None, data: str | None, *, as_json: bool) -> None:
    """Compare the memory of workers with their budget, with groups much larger than it."""
    from benchmarks import memory as memory_
    from mapreduce.sizes import parse_size

    report = memory_.run(parse_size(size, "--size"), parse_size(memory, "--memory"), workers=workers, data=data)
    if as_json:
        _print_json(report)
    else:
        memory_.show(report, _console())


@bench.command()
@click.option("--sizes", metavar="SIZE,...", default="100MB", show_default=True, help="How much text.")
@click.option("--runs", default=3, show_default=True, help="How many pairs of runs to time.")
@click.option("--only", metavar="NAME,...", help="Of the others, these alone.")
@click.option("--python", metavar="FILE", help="A Python that has the others installed.  [default: this one]")
@click.option("--workers", default=2, show_default=True, help="How many processes count.")
@click.option("--timeout", default=900.0, show_default=True, help="Seconds that one run may take.")
@_data
@click.option("--markdown", metavar="FILE", help="Write the tables to this file too.")
@_json
def peers(
    *,
    sizes: str,
    runs: int,
    only: str | None,
    python: str | None,
    workers: int,
    timeout: float,
    data: str | None,
    markdown: str | None,
    as_json: bool,
) -> None:
    """Time whole processes of word counts: this package's, a hand-written one, and other frameworks'."""
    from benchmarks.peers import compare
    from mapreduce.sizes import parse_size

    chosen = compare.choose(only.split(",") if only else None)
    report = compare.run(
        [parse_size(size, "--sizes") for size in sizes.split(",")],
        chosen,
        compare.Way(python=python, workers=workers, runs=runs, timeout=timeout),
        data=data,
    )
    sheets = compare.sheets(report)
    if markdown is not None:
        with open(markdown, "w", encoding="utf-8") as file:
            file.write("\n".join(sheet.markdown() for sheet in sheets))
    if as_json:
        _print_json(report)
    else:
        for sheet in sheets:
            sheet.show(_console())
    if problems := compare.problems(report):
        raise click.ClickException("; ".join(problems))


def _console() -> Console:
    from rich.console import Console

    return Console()


def _print_json(report: Any, **more: Any) -> None:
    click.echo(json.dumps({**dataclasses.asdict(report), **more}, indent=1))
