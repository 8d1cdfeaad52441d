"""The command line."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mapreduce import MapReduceError, TaskError, __version__

if TYPE_CHECKING:
    from driver.result import Result

F = TypeVar("F", bound=Callable[..., Any])

#: Exit code after Ctrl-C, as shells have it: 128 + SIGINT.
INTERRUPTED = 130

_REACHING: list[Callable[[F], F]] = [
    click.option("--endpoint-url", metavar="URL", help="Of the S3 service.  [default: AWS_ENDPOINT_URL, else AWS]"),
    click.option("--profile", metavar="NAME", help="Of the AWS configuration files.  [default: AWS_PROFILE]"),
    click.option("--redis-secret", metavar="WHERE", help="Of Redis's password: ssm:NAME or secretsmanager:NAME."),
    click.option("--state", metavar="DIR", help="Folder for secrets of jobs.  [default: ~/.local/state/mapreduce]"),
]

_STORES: list[Callable[[F], F]] = [
    click.option(
        "--storage", metavar="URL", help="Folder or URL for control keys.  [default: in the temporary folder]"
    ),
    click.option("--shuffle", metavar="URL", help="Folder or URL for the shuffle's data.  [default: in the storage]"),
    *_REACHING,
]

# It counts wherever it stands: see `main`.
_DEBUG = click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors, the worker's too.")

_RUNNING: list[Callable[[F], F]] = [
    click.option("--workers", metavar="N", help="Attempts that run at once.  [default: one for each processor]"),
    click.option("--memory", metavar="SIZE", help="Memory that one worker may use.  [default: 512MB]"),
    click.option("--executor", metavar="NAME", help="Where attempts run: local, inline or lambda.  [default: local]"),
    click.option("--requirements", metavar="FILE", help="Libraries that workers are to have, as pip has them."),
    click.option("--function", metavar="NAME", help="Function on AWS Lambda.  [default: mapreduce]"),
    click.option("--region", metavar="NAME", help="Of AWS, for the function.  [default: AWS_REGION]"),
    click.option("--invoke", metavar="HOW", help="How the function is invoked: event or request.  [default: event]"),
    click.option("--retries", metavar="N", help="Times that a failed task is tried again.  [default: 2]"),
    click.option("--timeout", metavar="SECONDS", help="Time that one attempt may take; 0 for any.  [default: 3600]"),
    click.option("--patience", metavar="SECONDS", help="Time to wait for a store that is lost.  [default: 600]"),
]

_SETTINGS: list[Callable[[F], F]] = [
    click.option(
        "--partitions",
        metavar="N",
        type=click.IntRange(min=1),
        help="Number of reduce tasks, and of parts of the output.",
    ),
    click.option("--split-size", metavar="SIZE", help="Input, at most, of one map task.  [default: 128MB]"),
    *_RUNNING,
    *_STORES,
    click.option(
        "--exchange", metavar="NAME", help="Between map and reduce: direct, two-level or auto.  [default: auto]"
    ),
    click.option("--overwrite", is_flag=True, default=None, help="Replace an earlier result in the output folder."),
    click.option("--keep-intermediates", is_flag=True, default=None, help="Keep control keys and shuffle data."),
    _DEBUG,
]


def with_settings(command: F) -> F:
    """Give a command the options that are a driver's settings, as keyword arguments."""
    return _with(_SETTINGS, command)


def _with(options: Sequence[Any], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def with_stores(command: F) -> F:
    """Give a command the options that name stores, and how to reach them, as keyword arguments."""
    return _with([*_STORES, _DEBUG], command)


def with_run_settings(command: F) -> F:
    """Give a command the options that say how attempts are run, and how stores are reached, not where they are."""
    return _with([*_RUNNING, *_REACHING, _DEBUG], command)


class _Commands(click.Group):
    """The commands here, and those of other modules, which are imported only when they are asked for."""

    _ELSEWHERE = {  # noqa: RUF012 - never changed
        "bench": "benchmarks.cli:bench",
        "demo": "benchmarks.demo:demo",
        **{name: f"driver.cli_jobs:{name}" for name in ("cancel", "clean", "jobs", "logs", "resume")},
        "gensort": "benchmarks.sorting.cli:gensort",
        "lambda-local": "driver.cli_lambda_local:lambda_local",
        "sort": "benchmarks.sorting.sort:sort",
        "valsort": "benchmarks.sorting.cli:valsort",
        **{name: f"driver.deploy.cli:{name}" for name in ("deploy", "destroy", "status")},
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._ELSEWHERE:
            module, _, name = self._ELSEWHERE[cmd_name].partition(":")
            command: click.Command = getattr(import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mapreduce")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors, the worker's too.")
def commands(*, debug: bool) -> None:
    """MapReduce for a laptop and a cloud account.

    Settings that are not given come from the environment (MAPREDUCE_WORKERS and so on), then from
    mapreduce.toml here or in ~/.config, then from defaults.
    """


@commands.command()
@click.argument("job")
@click.argument("inputs", nargs=-1, required=True)
@click.option("--output", metavar="DIR", help="Folder for the output; without one the pairs are printed.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary as JSON, with the pairs if there is no --output."
)
@with_settings
def run(
    job: str, inputs: tuple[str, ...], output: str | None, *, as_json: bool, partitions: int | None, **settings: Any
) -> None:
    """Run a job over files, folders or globs.

    JOB is a Python file that holds one Job, or FILE.py:NAME of a Job or a list of Jobs in it.
    """
    from driver.driver import Driver
    from driver.loader import load_job

    with Driver(**settings, callbacks=[progress()]) as driver:
        # Standard output is for the pairs, not for what user code prints.
        with contextlib.redirect_stdout(sys.stderr):
            result = driver.run(load_job(job), inputs, output, partitions)
        finish(result, as_json=as_json)


def finish(result: Result[Any, Any], *, as_json: bool) -> None:
    """Print what a result has, and close it."""
    with result:
        if as_json:
            click.echo(json.dumps(summary(result, pairs=not result.output)))
        elif not result.output:
            _print_pairs(result)
        else:
            click.echo(_sentence(result), err=True)


@commands.command()
@click.option("--output", metavar="URL", help="Folder or URL for the output, to be looked at too.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@with_stores
def doctor(output: str | None, *, as_json: bool, **settings: Any) -> int:
    """Look at the stores that the settings name: what is wrong, and what to do about it.

    A little is written to each, under a name of its own, and deleted again. Exits with 0 if nothing
    failed; warnings do not count.
    """
    from driver.doctor import examine
    from driver.settings import Settings

    told = []
    verdicts = set()
    for setting, url, findings in examine(Settings.load(settings), output):
        if not as_json:
            click.echo(f"{setting}: {url}")
        seen = []
        for finding in findings:
            seen.append(finding._asdict())
            verdicts.add(finding.verdict)
            if not as_json:
                click.echo(f"  {finding.verdict:<7}  {finding.what}: {finding.found}")
                if finding.remedy:
                    click.echo(f"{'':11}to do: {finding.remedy}")
        told.append({"setting": setting, "url": url, "findings": seen})
    failed = "failed" in verdicts
    if as_json:
        click.echo(json.dumps({"failed": failed, "stores": told}))
    return 1 if failed else 0


def progress() -> Any:
    """A callback that shows progress on standard error."""
    from rich.console import Console

    from driver.progress import ProgressCallback

    return ProgressCallback(Console(stderr=True))


def summary(result: Result[Any, Any], *, pairs: bool) -> dict[str, Any]:
    """What a result tells of itself, for JSON."""
    told: dict[str, Any] = {
        "job": result.job,
        "output": result.output,
        "parts": result.parts,
        "counters": result.counters,
        "rounds": [dataclasses.asdict(one) for one in result.rounds],
        "metrics": result.metrics,
    }
    return told | {"pairs": [[_plain(key), _plain(value)] for key, value in result]} if pairs else told


def _plain(value: Any) -> Any:
    """`value`, or its repr where JSON has no such thing."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return repr(value)
    return value


def _sentence(result: Result[Any, Any]) -> str:
    counters = "".join(f"\n  {name}: {count:,}" for name, count in result.counters.items())
    return (
        f"{result.metrics['records_out']:,} pairs in {len(result.parts)} parts in {result.output},"
        f" {result.metrics['seconds']:.2f} s{counters}"
    )


def _print_pairs(result: Result[Any, Any]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # keys and values may hold what is not Unicode
    for key, value in result:
        sys.stdout.write(f"{key}\t{value}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0 only on success."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.exit(_main(arguments, debug="--debug" in arguments))


def _main(arguments: Sequence[str], *, debug: bool) -> int:
    try:
        status = commands.main(list(arguments), prog_name="mapreduce", standalone_mode=False)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except MapReduceError as error:
        if debug:
            traceback.print_exc()
            if isinstance(error, TaskError):
                click.echo(f"\nIn the worker:\n{error.traceback}", err=True)
        click.echo(f"Error: {error}", err=True)
        return 1
    except OSError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {error}", err=True)
        return 1
    return status if isinstance(status, int) else 0
