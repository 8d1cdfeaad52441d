"""The command line for jobs that were started: list, look into, end, go on with, remove."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from driver.cli import finish, progress, with_run_settings, with_stores
from mapreduce.errors import ConfigError
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from driver.cleaning import Abandoned
    from driver.libraries import Unused

_AGE = re.compile(r"([0-9]+)\s*([smhd])")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also jobs that have ended, as far as this machine knows them.")
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as JSON, one a line.")
@with_stores
def jobs(*, everything: bool, as_json: bool, **given: Any) -> None:
    """List the jobs that run, or have left something in the storage."""
    from driver.jobs import find_jobs, known_jobs
    from driver.settings import Settings
    from mapreduce.objectstore import open_store

    settings = Settings.load(given)
    seen = set()
    for found in find_jobs(open_store(settings.storage, access=settings.access), settings.state):
        seen.add(found.job)
        click.echo(json.dumps(dataclasses.asdict(found)) if as_json else _line(found))
    for noted in known_jobs(settings.state):
        if noted["job"] in seen or not (everything or not noted.get("ended") or noted.get("left")):
            continue
        if as_json:
            click.echo(json.dumps(noted))
            continue
        place = noted.get("settings", {}).get("storage", "")
        state = f"ended: {noted['ended']}" if noted.get("ended") else "in another storage"
        click.echo(f"{noted['job']}  {state}  {noted.get('title', '')}  {place}")


@click.command()
@click.argument("job")
@with_stores
def cancel(job: str, **given: Any) -> None:
    """End a job, wherever its driver runs: it is asked to, and looks every few seconds."""
    from driver.jobs import find_job
    from driver.pulse import LOOK, ask_to_cancel

    settings, storage, _ = _of_job(job, given)
    found = find_job(storage, settings.state, job)
    if not found.title and not found.rounds:
        raise ConfigError(f"there is no job {job} in {settings.storage}")
    if found.state not in ("running", "cancelling"):
        remedy = "; `mapreduce clean` removes what it left" if found.state == "abandoned" else ""
        raise ConfigError(f"job {job} does not run ({found.state}){remedy}")
    ask_to_cancel(storage, job)
    click.echo(f"job {job} is asked to end; its driver looks every {LOOK:g} s", err=True)


@click.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@with_run_settings
def resume(job: str, *, as_json: bool, **given: Any) -> None:
    """Go on with a job whose driver has died, or has lost its stores.

    Settings that are not given are those that it was started with.
    """
    from driver.driver import Driver
    from driver.notebook import read_notebook
    from driver.settings import Settings

    noted = read_notebook(Settings.load(given).state, job).get("settings", {})
    names = (
        "executor",
        "storage",
        "workers",
        "memory",
        "retries",
        "timeout",
        "patience",
        "function",
        "region",
        "invoke",
    )
    again = {name: noted[name] for name in names if given.get(name) is None and noted.get(name) is not None}
    known = {field.name for field in dataclasses.fields(Settings)}
    given |= {name: value for name, value in again.items() if name in known}
    with Driver(**given, callbacks=[progress()]) as driver:
        with contextlib.redirect_stdout(sys.stderr):
            result = driver.resume(job)
        finish(result, as_json=as_json)


@click.command()
@click.argument("job")
@click.argument("task", required=False)
@with_stores
def logs(job: str, task: str | None, **given: Any) -> None:
    """Tell what is known of a job's attempts: failures, what they printed on AWS Lambda, and of one TASK its measures.

    TASK is the number of a task, or ROUND/TASK.
    """
    from driver.logs import Wanted, ending, find_entries

    wanted = Wanted.parse(task)
    settings, storage, noted = _of_job(job, given)
    for entry in find_entries(job, settings.state, storage, wanted):
        click.echo(f"round {entry.round}, task {entry.task}, attempt {entry.attempt}: {_plain(entry.text)}")
        for line in entry.details.splitlines():
            click.echo(f"    {_plain(line)}")
    if noted.get("executor") == "lambda":
        from driver.cloudwatch import printed

        function, region = noted.get("function") or "mapreduce", noted.get("region") or ""
        for one in printed(job, wanted, function, settings.access, region):
            click.echo(f"round {one.round}, task {one.task}, attempt {one.attempt}| {_plain(one.text)}")
    if told := ending(job, settings.state):
        click.echo(f"job {job} {_plain(told)}")


@click.command()
@click.option(
    "--older", metavar="AGE", default="1d", show_default=True, help="Since its last sign of life, as 90s, 30m, 12h, 7d."
)
@click.option("--kept", is_flag=True, help="Also what was to stay (--keep-intermediates).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_stores
def clean(*, older: str, kept: bool, yes: bool, **given: Any) -> None:
    """Remove what your jobs have left of which nothing runs any more, and libraries that no job needs."""
    from driver.cleaning import find_abandoned, remove
    from driver.libraries import find_unused, remove_unused
    from driver.settings import Settings
    from mapreduce.objectstore import open_store

    settings, age = Settings.load(given), _seconds(older)
    storage = open_store(settings.storage, access=settings.access)
    found = list(find_abandoned(settings, age, kept=kept))
    unused = find_unused(storage, age, without={one.leftovers.job for one in found})
    _show(found, unused)
    if not found and not unused:
        click.echo("there is nothing to remove", err=True)
        return
    if not yes:
        libraries = f" and {len(unused)} bundles of libraries" if unused else ""
        click.confirm(f"Remove what these {len(found)} jobs have left{libraries}?", abort=True, err=True)
    for one in found:
        remove(one, settings)
    count = sum(one.leftovers.count for one in found)
    click.echo(f"removed {count:,} objects of {len(found)} jobs", err=True)
    if unused:
        click.echo(f"removed {remove_unused(storage, unused, age):,} bundles of libraries", err=True)


def _show(found: Sequence[Abandoned], unused: Sequence[Unused]) -> None:
    """Say what would be removed, and what of it stays."""
    for one in found:
        left = one.leftovers
        click.echo(f"{left.job}  {one.title}: {left.count:,} objects, {format_size(left.size)} ({one.state})")
        for place in left.places:
            if place.ours:
                click.echo(f"  {len(place.ours):,} below {place.store.url}/{place.prefix}")
        for url in left.strangers:
            click.echo(f"  stays, since no job gives such a name: {_plain(url)}")
        for text in one.notices:
            click.echo(f"  {text}")
    for bundle in unused:
        used = f"last needed {bundle.used}" if bundle.used else "it is not known when they were last needed"
        click.echo(f"libraries {bundle.digest}: {format_size(bundle.size)}, {used}")


def _of_job(job: str, given: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Settings, storage, and noted settings, for a job: where it was said to be, else where its notebook says."""
    from driver.notebook import read_notebook
    from driver.settings import Settings
    from mapreduce.objectstore import open_store

    settings = Settings.load(given)
    noted = read_notebook(settings.state, job).get("settings", {})
    if not given.get("storage"):
        settings = settings.going_on(noted)
    return settings, open_store(settings.storage, access=settings.access), noted


def _line(found: Any) -> str:
    rounds = " ".join(
        f"{one.kind or 'round'} {one.done:,}/{one.tasks or '?'}" + (f" ({one.failed:,} failed)" if one.failed else "")
        for one in found.rounds
    )
    resumable = ", can be resumed" if found.resumable else ""
    who = f" by {found.who}" if found.who else ""
    return f"{found.job}  {found.state}{resumable}  {found.title}{who}, started {found.started}  {rounds}".rstrip()


def _seconds(text: str) -> float:
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"older: {text!r} is no age: write a number and s, m, h or d, as in 12h")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
    return timedelta(**{unit: int(match[1])}).total_seconds()


def _plain(text: str) -> str:
    """`text` without what a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "?" for sign in text)
