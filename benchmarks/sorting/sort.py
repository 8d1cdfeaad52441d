"""The distributed sort of fixed-width records, as a user of the package writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click

from driver.cli import with_settings
from mapreduce import Block, BlockReducer, FixedInput, FixedOutput, Job
from mapreduce.errors import ConfigError
from mapreduce.sizes import format_size


class Records(BlockReducer):
    """Records as they are, in the order in which they come."""

    def reduce_block(self, block: Block) -> Iterator[Block]:
        yield block


def sort_job(record: int = 100, key: tuple[int, int] = (0, 10)) -> Job[Any, Any, Any, Any, Any]:
    """The job that sorts records.

    Args:
        record: bytes of a record.
        key: the bytes of it that it is sorted by, as (start, end); records of equal keys keep the order they have.

    Raises:
        ConfigError: there is no such key in such a record.
    """
    return Job(
        reducer=Records(),
        input_format=FixedInput(record, key),
        output_format=FixedOutput(record),
        order="sorted",
        name="sort",
    )


def parse_key(text: str) -> tuple[int, int]:
    """The bytes START:END of a record.

    Raises:
        ConfigError: `text` does not say that.
    """
    match = re.fullmatch(r"\s*(\d+):(\d+)\s*", text, re.ASCII)
    if match is None:
        raise ConfigError(f"--key: {text!r} is no range of bytes; write it like 0:10")
    return int(match[1]), int(match[2])


@click.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option("--output", metavar="DIR", required=True, help="Folder or URL for the sorted parts.")
@click.option("--record", type=int, metavar="BYTES", default=100, show_default=True, help="Width of a record.")
@click.option("--key", metavar="START:END", default="0:10", show_default=True, help="The bytes of a record to sort by.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
@with_settings
def sort(
    inputs: tuple[str, ...],
    output: str,
    record: int,
    key: str,
    *,
    as_json: bool,
    partitions: int | None,
    **settings: Any,
) -> None:
    """Sort records of a fixed width by the bytes of a key.

    INPUTs are files, folders, globs or URLs of an object store. The parts, one after the other in the order of their
    names, are the sorted records; records with equal keys keep their order.
    """
    from driver.cli import progress, summary
    from driver.driver import Driver

    job = sort_job(record, parse_key(key))
    with Driver(**settings, callbacks=[progress()]) as driver, driver.run(job, inputs, output, partitions) as result:
        if as_json:
            click.echo(json.dumps(summary(result, pairs=False)))
            return
        metrics = result.metrics
        click.echo(
            f"{metrics['records_out']:,} records, {format_size(metrics['bytes_out'])}, in {len(result.parts)} parts in"
            f" {result.output}: {metrics['seconds']:.2f} s, {format_size(metrics['bytes_out'] / metrics['seconds'])}/s",
            err=True,
        )
