"""The command line of the benchmarks."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from driver.cli import with_settings

if TYPE_CHECKING:
    from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Print a document for machines instead of tables.")
_data = click.option(
    "--data",
    metavar="DIR",
    help="Where generated text is kept.  [default: $BENCHMARK_DATA, else ~/.cache/mapreduce/bench]",
)
_markdown = click.option("--markdown", metavar="FILE", help="Write the tables into this page too.")


def _places(command: F) -> F:
    """Give a command the options that name stores to compare."""
    options: list[Callable[[F], F]] = [
        click.option("--s3", metavar="URL", help="An S3 store to compare: s3://bucket/prefix."),
        click.option("--endpoint-url", metavar="URL", help="Of the S3 service.  [default: AWS_ENDPOINT_URL, else AWS]"),
        click.option("--profile", metavar="NAME", help="Of the AWS configuration files.  [default: AWS_PROFILE]"),
        click.option("--redis", metavar="URL", multiple=True, help="A Redis to compare; may be given several times."),
        click.option(
            "--local-services", is_flag=True, help="Start a SeaweedFS (S3) and a Valkey or Redis, and compare these."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def bench() -> None:
    """Measure on this machine, and check the results."""


@bench.command()
@click.option("--size", metavar="SIZE", default="100MB", show_default=True, help="How much text.")
@click.option("--batch", is_flag=True, help="Count by arrays, instead of word by word.")
@_data
@click.option("--output", metavar="DIR", help="Folder for the output; without one it is deleted in the end.")
@_json
@with_settings
def wordcount(size: str, data: str | None, output: str | None, *, batch: bool, as_json: bool, **settings: Any) -> None:
    """Count the words of a text, and compare with a plain Counter."""
    from benchmarks import wordcount
    from driver import Driver
    from driver.cli import progress
    from mapreduce.sizes import parse_size

    bytes_in = parse_size(size, "--size")
    with Driver(**settings, callbacks=[progress()]) as driver:
        report = wordcount.run(driver, bytes_in, batch=batch, data=data, output=output)
    if as_json:
        _print_json(report)
    else:
        wordcount.show(report, _console())
    if report.difference:
        raise click.ClickException(report.difference)


@bench.command()
@click.option("--size", metavar="SIZE", default="100MB", show_default=True, help="How many bytes of records.")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["binary", "ascii", "teragen"]),
    default="binary",
    show_default=True,
    help="Of the records, as of gensort 1.5, of its option -a, or of Hadoop's TeraGen.",
)
@click.option("--skewed", is_flag=True, help="Make skewed keys, as gensort's option -s does.")
@click.option("--data", metavar="DIR", help="Folder for the records; without one they are deleted in the end.")
@click.option("--output", metavar="DIR", help="Folder for the output; without one it is deleted in the end.")
@_json
@with_settings
def terasort(
    size: str,
    layout: str,
    data: str | None,
    output: str | None,
    *,
    skewed: bool,
    as_json: bool,
    partitions: int | None,
    **settings: Any,
) -> None:
    """Generate records of the sort benchmark, sort them, and validate the output."""
    from benchmarks import terasort
    from driver import Driver
    from driver.cli import progress
    from mapreduce.sizes import parse_size

    bytes_in = parse_size(size, "--size")
    with Driver(**settings, callbacks=[progress()]) as driver:
        report = terasort.run(
            driver, bytes_in, layout=layout, skewed=skewed, partitions=partitions, data=data, output=output
        )
    if as_json:
        _print_json(report)
    else:
        terasort.show(report, _console())
    if report.problem:
        raise click.ClickException(report.problem)


@bench.command()
@click.option("--size", metavar="SIZE", default="1GB", show_default=True, help="How many bytes of records.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="How often to sort.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes that sort.")
@_places
@_data
@_markdown
@_json
def terasort_stores(
    *,
    size: str,
    s3: str | None,
    redis: tuple[str, ...],
    endpoint_url: str | None,
    profile: str | None,
    local_services: bool,
    markdown: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Sort through several shuffle stores, and tell what that takes beyond the way of the bytes.

    A folder is compared always; the efficiency of the others is told as a share of its own.
    """
    from benchmarks import terasort_stores
    from benchmarks.compare.run import gather, name_places
    from benchmarks.page import write_section
    from mapreduce.sizes import parse_size

    bytes_in = parse_size(size, "--size")
    named = name_places(s3, redis, endpoint_url=endpoint_url, profile=profile)
    with gather(named, local=local_services) as (places, absent):
        report = terasort_stores.run(places, bytes_in, absent=absent, tell=_tell, **how)
    if markdown is not None:
        command = _command(s3="URL", redis="URL", endpoint_url="URL", profile="NAME")
        write_section(markdown, "terasort stores", terasort_stores.page_section(report, command))
    if as_json:
        _print_json(report)
    else:
        terasort_stores.sheet(report).show(_console())
    if problems := terasort_stores.problems(report):
        raise click.ClickException("; ".join(problems))


@bench.command()
@click.option("--tasks", default=1000, show_default=True, help="Tasks of a job of many.")
@click.option("--runs", default=5, show_default=True, help="How often to measure.")
@click.option("--workers", default=2, show_default=True, help="Tasks that run at once.")
@_json
def overhead(tasks: int, runs: int, workers: int, *, as_json: bool) -> None:
    """Time jobs that do nothing: whole processes, tasks, and the imports of a function's cold start."""
    from benchmarks import overhead

    report = overhead.run(workers=workers, tasks=tasks, runs=runs)
    if as_json:
        _print_json(report, task_milliseconds=report.task_milliseconds)
    else:
        overhead.show(report, _console())


@bench.command()
@click.option("--size", metavar="SIZE", default="100MB", show_default=True, help="How much text.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="How often to measure each.")
@_data
@_markdown
@_json
def generator(size: str, runs: int, data: str | None, markdown: str | None, *, as_json: bool) -> None:
    """Compare the CPU time of a word count with that of its mapper's generator alone."""
    from benchmarks import generator
    from benchmarks.page import write_section
    from mapreduce.sizes import parse_size

    report = generator.run(parse_size(size, "--size"), runs=runs, data=data)
    if markdown is not None:
        write_section(markdown, "generator", generator.page_section(report, _command()))
    if as_json:
        _print_json(report)
    else:
        generator.sheet(report).show(_console())
    if report.problems:
        raise click.ClickException("; ".join(report.problems))


@bench.command()
@click.option("--tasks", type=click.IntRange(min=1), default=20, show_default=True, help="Reduce tasks.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="How often to measure each.")
@click.option("--seconds", default=6.0, show_default=True, help="That the slowest map task takes.")
@_json
def warmup(tasks: int, runs: int, seconds: float, *, as_json: bool) -> None:
    """Time reduce rounds on cold functions, and on functions that were warmed while map tasks ran."""
    from benchmarks import warmup

    report = warmup.run(tasks=tasks, runs=runs, map_seconds=seconds)
    if as_json:
        _print_json(report)
    else:
        warmup.show(report, _console())


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
@click.option(
    "--what", metavar="NAME,...", default="words,sort", show_default=True, help="Word counts, sorts, or both."
)
@click.option("--sizes", metavar="SIZE,...", default="100MB", show_default=True, help="How much text.")
@click.option("--sort-sizes", metavar="SIZE,...", default="1GB", show_default=True, help="How many bytes of records.")
@click.option(
    "--runs", type=click.IntRange(min=1), default=3, show_default=True, help="How often each peer runs, beside ours."
)
@click.option("--once", default=30.0, show_default=True, help="Seconds; who takes longer does not run again.")
@click.option("--only", metavar="NAME,...", help="Of the others, these alone.")
@click.option("--python", metavar="FILE", help="A Python that has the others installed.  [default: this one]")
@click.option(
    "--workers", type=click.IntRange(min=1), default=2, show_default=True, help="How many processes, or threads, work."
)
@click.option("--timeout", default=900.0, show_default=True, help="Seconds that one run may take.")
@_data
@_markdown
@_json
def peers(
    *,
    what: str,
    sizes: str,
    sort_sizes: str,
    only: str | None,
    data: str | None,
    markdown: str | None,
    as_json: bool,
    **way: Any,
) -> None:
    """Time whole processes of word counts and sorts: this package's, hand-written ones, and other frameworks'."""
    from benchmarks.page import write_section
    from benchmarks.peers import compare, page
    from benchmarks.peers.catalogue import choose
    from benchmarks.peers.contests import contests
    from mapreduce.sizes import parse_size

    chosen = choose(what.split(","), only.split(",") if only else None)
    report = compare.run(
        contests(
            chosen,
            [parse_size(size, "--sizes") for size in sizes.split(",")],
            [parse_size(size, "--sort-sizes") for size in sort_sizes.split(",")],
            data,
        ),
        compare.Way(**way),
        tell=_tell,
    )
    if markdown is not None:
        for name, text in page.sections(report, _command(python="PYTHON")):
            write_section(markdown, name, text)
    if as_json:
        _print_json(report)
    else:
        for sheet in page.sheets(report):
            sheet.show(_console())
    if problems := compare.problems(report):
        raise click.ClickException("; ".join(problems))


@bench.command()
@_places
@click.option("--parts", metavar="NAME,...", help="Of the comparison, these parts alone.")
@click.option("--text", metavar="SIZE", default="20MB", show_default=True, help="How much text has its words counted.")
@click.option(
    "--size", metavar="SIZE", default="64MB", show_default=True, help="How much is shuffled; memory holds it."
)
@click.option("--maps", type=click.IntRange(min=1), default=16, show_default=True, help="Map tasks of the shuffle.")
@click.option("--reduces", type=click.IntRange(min=1), default=16, show_default=True, help="Partitions of the shuffle.")
@click.option(
    "--roofline", metavar="SIZE", default="256MB", show_default=True, help="How much is shuffled for the roofline."
)
@click.option(
    "--blocks", metavar="SIZE,...", default="64KiB,1MiB,16MiB", show_default=True, help="Blocks of the roofline."
)
@click.option(
    "--square",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Map tasks, and partitions, of the shuffle in two layouts on S3; 0 for none.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    help="Small objects that each client of S3 puts and gets.",
)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes of clients.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="How often to measure.")
@_data
@click.option("--output", metavar="FILE", help="Write the document for machines to this file too.")
@_markdown
@click.option("--picture", metavar="FILE", help="Draw the figures into this file, .png or .svg.")
@_json
def compare(
    *,
    data: str | None,
    output: str | None,
    markdown: str | None,
    picture: str | None,
    as_json: bool,
    parts: str | None,
    blocks: str,
    text: str,
    size: str,
    roofline: str,
    local_services: bool,
    s3: str | None,
    endpoint_url: str | None,
    profile: str | None,
    redis: tuple[str, ...],
    **numbers: int,
) -> None:
    """Compare shuffle stores: time, requests, their price, and what a plain client gets.

    A folder is compared always. Parts are words (a word count), shuffle (a shuffle without a job), roofline (beside
    the client library alone), pipelining and memory (Redis), layout and clients (S3).
    """
    from benchmarks.compare import run as compare_
    from benchmarks.compare.page import page_section
    from benchmarks.compare.picture import check, draw
    from benchmarks.compare.report import Way, problems
    from benchmarks.compare.sheets import sheets
    from benchmarks.page import write_section
    from mapreduce.sizes import parse_size

    if picture is not None:
        check(picture)
    way = Way(
        parts=compare_.choose(parts.split(",") if parts else None),
        text=parse_size(text, "--text"),
        size=parse_size(size, "--size"),
        roofline=parse_size(roofline, "--roofline"),
        blocks=[parse_size(block, "--blocks") for block in blocks.split(",")],
        **numbers,
    )
    named = compare_.name_places(s3, redis, endpoint_url=endpoint_url, profile=profile)
    with compare_.gather(named, local=local_services) as (places, absent):
        report = compare_.run(places, way, absent=absent, data=data, tell=_tell)
    tables = sheets(report)
    document = {"tables": [dataclasses.asdict(sheet) for sheet in tables]}
    if output is not None:
        with open(output, "w", encoding="utf-8") as file:
            file.write(_json_text(report, **document))
    if markdown is not None:
        command = _command(s3="URL", redis="URL", endpoint_url="URL", profile="NAME")
        write_section(markdown, "comparison of stores", page_section(report, command))
    if picture is not None:
        draw(report, picture)
    if as_json:
        _print_json(report, **document)
    else:
        for sheet in tables:
            sheet.show(_console())
    if found := problems(report):
        raise click.ClickException("; ".join(found))


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _command(**shown: str) -> str:
    """The command that runs, as it was given; `shown` says what is told instead of an option's value."""
    context = click.get_current_context()
    words = [context.command_path]
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in ("data", "as_json"):
            value = context.params[name]
            words += [option.opts[0]] if value is True else [option.opts[0], shown.get(name, str(value))]
    return " ".join(words)


def _console() -> Console:
    from rich.console import Console

    console = Console()
    # A file has no width, and the widest tables have a dozen columns.
    return console if console.is_terminal else Console(width=max(console.width, 120))


def _print_json(report: Any, **more: Any) -> None:
    click.echo(_json_text(report, **more))


def _json_text(report: Any, **more: Any) -> str:
    return json.dumps({**dataclasses.asdict(report), **more}, indent=1)
