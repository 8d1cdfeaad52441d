"""The commands that generate and validate the sort benchmark's records."""

from __future__ import annotations

import json
import re
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from mapreduce.errors import ConfigError
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from benchmarks.sorting.validator import Validation

_RECORD = 100
_SUFFIXES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_workers = click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes.  [default: one for each processor]"
)
_json = click.option("--json", "as_json", is_flag=True, help="Print a document for machines.")


@click.command()
@click.argument("records")
@click.argument("file")
@click.option(
    "--format",
    "layout",
    type=click.Choice(["binary", "ascii", "teragen"]),
    default="binary",
    show_default=True,
    help="Of gensort 1.5, of its option -a, or of Hadoop's TeraGen.",
)
@click.option("--skewed", is_flag=True, help="Make skewed keys, as gensort's option -s does.")
@click.option("--start", metavar="N", default="0", show_default=True, help="Number of the first record.")
@click.option("--parts", type=click.IntRange(min=1), metavar="N", help="Make FILE a folder of so many files.")
@_workers
@_json
def gensort(records: str, file: str, layout: str, start: str, *, as_json: bool, **how: Any) -> None:
    """Generate records of the sort benchmark.

    RECORDS is how many, of 100 bytes each: 10000000, or 10M for the same. They are the bytes that gensort 1.5 and
    Hadoop's TeraGen give for the same numbers, and the checksum is what valsort must find in the sorted output.
    """
    from benchmarks.sorting.generator import generate

    count, first = parse_count(records, "RECORDS"), parse_count(start, "--start")
    began = time.perf_counter()
    made = generate(count, file, layout=layout, start=first, **how)
    seconds = time.perf_counter() - began
    if as_json:
        document = {"records": count, "checksum": f"{made.checksum:x}", "files": made.files, "seconds": seconds}
        click.echo(json.dumps(document))
        return
    click.echo(f"Records: {count}\nChecksum: {made.checksum:x}")
    click.echo(_pace(count, seconds), err=True)


@click.command()
@click.argument("parts", metavar="PART...", nargs=-1, required=True)
@_workers
@click.option("--endpoint-url", metavar="URL", help="Of the S3 service.  [default: AWS_ENDPOINT_URL, else AWS]")
@click.option("--profile", metavar="NAME", help="Of the AWS configuration files.  [default: AWS_PROFILE]")
@_json
def valsort(parts: tuple[str, ...], workers: int | None, *, as_json: bool, **stores: str | None) -> int:
    """Validate sorted records of the sort benchmark.

    PARTs are files, folders, globs or URLs of an object store, in the order of their keys; those of a folder or glob
    are taken in the order of their names. Exits with 0 only if all records are in order. The checksum does not depend
    on the order: it is the one that gensort gave, unless records were lost or changed.
    """
    from benchmarks.sorting.validator import validate
    from driver.settings import Settings

    began = time.perf_counter()
    found = validate(parts, workers, Settings.load(stores).access)
    seconds = time.perf_counter() - began
    if as_json:
        click.echo(json.dumps({**_document(found), "seconds": seconds}))
    else:
        _tell(found)
        click.echo(_pace(found.total.records, seconds), err=True)
    return 0 if found.in_order else 1


def parse_count(text: str, name: str) -> int:
    """A number of records, as people write it: 10000000, 10M or 1.5G.

    Raises:
        ConfigError: it is no such number; the message names it.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text.strip().upper(), re.ASCII)
    if match is None:
        raise ConfigError(f"{name}: {text!r} is no number of records; write it like 10000000, 10M or 1.5G")
    count = Fraction(match[1]) * _SUFFIXES[match[2]]
    if count.denominator != 1:
        raise ConfigError(f"{name}: {text!r} is no whole number of records")
    return count.numerator


def _tell(found: Validation) -> None:
    """The lines that the public valsort prints, and then which records are out of order."""
    total = found.total
    if total.misplaced:
        click.echo(f"First unordered record is record {total.misplaced[0].index}")
    click.echo(f"Records: {total.records}\nChecksum: {total.checksum:x}")
    if found.in_order:
        click.echo(f"Duplicate keys: {total.duplicates}\nSUCCESS - all records are in order")
        return
    click.echo(f"ERROR - there are {total.unordered} unordered records")
    for one in total.misplaced:
        url, record = found.place(one.index)
        click.echo(f"  record {one.index}, {record} of {url}: key {_shown(one.key)} after {_shown(one.before)}")
    if total.unordered > len(total.misplaced):
        click.echo(f"  and {total.unordered - len(total.misplaced)} more")


def _document(found: Validation) -> dict[str, Any]:
    total = found.total
    misplaced = [
        {
            "record": one.index,
            "part": found.place(one.index).url,
            "record_of_part": found.place(one.index).record,
            "key": one.key.hex(),
            "key_before": one.before.hex(),
        }
        for one in total.misplaced
    ]
    return {
        "in_order": found.in_order,
        "records": total.records,
        "checksum": f"{total.checksum:x}",
        "duplicates": total.duplicates,
        "unordered": total.unordered,
        "misplaced": misplaced,
        "parts": [{"url": url, "records": part.records} for url, part in found.parts.items()],
    }


def _shown(key: bytes) -> str:
    """A key as text where it is printable, else in hexadecimal digits."""
    return repr(key.decode("ascii")) if all(32 <= byte < 127 for byte in key) else key.hex()


def _pace(records: int, seconds: float) -> str:
    size = records * _RECORD
    return f"{format_size(size)} in {seconds:.2f} s: {format_size(size / seconds)}/s"
