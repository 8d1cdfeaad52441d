"""What warm-up is worth: the reduce round of a job on cold functions, and on those that were warmed meanwhile.

Functions run in a Lambda service on this machine, over an S3 server of the benchmark's own.
"""

from __future__ import annotations

import io
import os
import statistics
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from benchmarks.compare.places import Place
from benchmarks.compare.services import local_services
from benchmarks.process import machine, with_ours
from benchmarks.sheet import Sheet, seconds, spread
from driver import Driver
from driver.executors import Executor
from driver.executors.lambda_ import LambdaExecutor
from mapreduce import Job, Mapper, Reducer
from mapreduce.objectstore import open_store
from worker.veil import KEY

if TYPE_CHECKING:
    from rich.console import Console

_FUNCTION = "mapreduce-warmup"
_MAPS = 4
# Seconds of the map tasks that are over soon: when half of all are, the functions of the next round are warmed.
_SHORT = 0.5
# Seconds after which an attempt is given up.
_TIMEOUT = 120


class Waits(Mapper[str, int, int]):
    """Takes as many seconds as the line says, and yields a pair for about every partition."""

    def map(self, line: str) -> Iterator[tuple[int, int]]:
        time.sleep(float(line))
        yield from ((number, 1) for number in range(1000))


class Total(Reducer[int, int, int, int]):
    """Adds."""

    def reduce(self, key: int, values: Iterator[int]) -> Iterator[tuple[int, int]]:
        yield key, sum(values)


waits = Job(mapper=Waits(), reducer=Total(), name="waits")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the reduce rounds took.

    Attributes:
        machine: what figures depend on.
        tasks: how many tasks each had.
        map_seconds: of the slowest map task, which others' functions are warmed beside.
        cold: seconds of the reduce rounds without warm-up, but for the sandboxes that the map tasks left.
        warm: seconds with it.
    """

    machine: dict[str, Any]
    tasks: int
    map_seconds: float
    cold: list[float]
    warm: list[float]


def run(*, tasks: int, runs: int, map_seconds: float) -> Report:
    """Measure, `runs` times each, in turns.

    Raises:
        click.ClickException: there is no S3 server here.
    """
    cold: list[float] = []
    warm: list[float] = []
    with local_services() as (places, absent):
        found = [place for place in places if place.kind == "s3"]
        if not found:
            raise click.ClickException(absent["s3"])
        with found[0].environment(), _functions(found[0]) as renew:
            for _ in range(runs):
                for times, way in ((cold, _without_warm_up()), (warm, nullcontext())):
                    renew()
                    with way:
                        times.append(_reduce_round(found[0], tasks, map_seconds))
    return Report(machine=machine(), tasks=tasks, map_seconds=map_seconds, cold=cold, warm=warm)


@contextmanager
def _functions(place: Place) -> Iterator[Any]:
    """A Lambda service; gives what makes its function anew, without any sandbox."""
    import boto3

    from driver.lambda_local import RUNTIME, LambdaLocal

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as empty:  # all is installed where sandboxes run
        empty.writestr("README", "")
    with LambdaLocal(s3_endpoint=place.access.endpoint_url, site_packages=True, environ=os.environ) as service:
        client = boto3.client("lambda", endpoint_url=service.url)

        def renew() -> None:
            if client.list_functions()["Functions"]:
                client.delete_function(FunctionName=_FUNCTION)
            client.create_function(
                FunctionName=_FUNCTION,
                Runtime=RUNTIME,
                Handler="worker.handler.handle",
                Role="arn:aws:iam::000000000000:role/any",
                Code={"ZipFile": archive.getvalue()},
                Environment={"Variables": {**with_ours({}), KEY: "of a benchmark"}},
                MemorySize=512,
                Timeout=_TIMEOUT,
            )

        before = os.environ.get("AWS_ENDPOINT_URL_LAMBDA")
        os.environ["AWS_ENDPOINT_URL_LAMBDA"] = service.url
        try:
            yield renew
        finally:
            del os.environ["AWS_ENDPOINT_URL_LAMBDA"]
            if before is not None:
                os.environ["AWS_ENDPOINT_URL_LAMBDA"] = before


@contextmanager
def _without_warm_up() -> Iterator[None]:
    """Have the executor leave functions cold."""
    warm = LambdaExecutor.warm
    LambdaExecutor.warm = Executor.warm  # type: ignore[method-assign]  # what is measured is the effect of it
    try:
        yield
    finally:
        LambdaExecutor.warm = warm  # type: ignore[method-assign]


def _reduce_round(place: Place, tasks: int, map_seconds: float) -> float:
    """The seconds of the reduce round of a job."""
    lines = [f"{time_:08.3f}\n" for time_ in (*[_SHORT] * (_MAPS // 2), *[map_seconds] * (_MAPS - _MAPS // 2))]
    open_store(place.url, access=place.access).put("in/lines.txt", "".join(lines).encode())
    with (
        Driver(
            executor="lambda",
            function=_FUNCTION,
            storage=place.url,
            endpoint_url=place.access.endpoint_url,
            workers=max(tasks, _MAPS),
            split_size=len(lines[0]),
        ) as driver,
        driver.run(waits, f"{place.url}/in/lines.txt", partitions=tasks) as result,
    ):
        maps, reduces = result.rounds
        if (maps.tasks, reduces.tasks, reduces.records_out) != (_MAPS, tasks, 1000):
            raise click.ClickException(f"the job did something else than was asked: {result.rounds}")
        return reduces.seconds


def show(report: Report, console: Console) -> None:
    """Print a report."""
    title = (
        f"Reduce round of {report.tasks} tasks on AWS Lambda, as it is on this machine, {len(report.cold)} runs each"
    )
    sheet = Sheet(title, ("functions", "median", "least-most s"))
    for name, times in (("cold", report.cold), ("warmed while map tasks ran", report.warm)):
        sheet.rows.append((name, seconds(statistics.median(times)), spread(times)))
    sheet.notes.append(f"the slowest map task takes {report.map_seconds:g} s; {_MAPS} of the functions had run one")
    sheet.show(console)
