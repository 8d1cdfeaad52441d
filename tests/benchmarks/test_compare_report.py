"""Tables and pictures of made-up figures."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from benchmarks.compare import picture
from benchmarks.compare.clients import Cost
from benchmarks.compare.footprint import Footprint
from benchmarks.compare.layout import Layouts
from benchmarks.compare.pipelining import Pipelining
from benchmarks.compare.report import Report, Roof, Row, Way, percentile, problems
from benchmarks.compare.roofline import Beside
from benchmarks.compare.sheets import sheets
from benchmarks.compare.words import Count
from benchmarks.compare.workload import Exchange, Phase
from mapreduce import ConfigError


def exchanged(write: float, read: float, difference: str = "", puts: int = 16) -> Exchange:
    """A shuffle of 64 MB that took so many seconds."""
    calls = [number / 1000 for number in range(1, 101)]
    return Exchange(
        write=Phase(seconds=write, cpu=0.125, calls=calls, size=64_000_000),
        read=Phase(seconds=read, cpu=0.25, calls=calls, size=64_000_000),
        requests={"bytes_read": 64_000_000, "bytes_written": 64_000_000, "delete": 1, "get": 256, "put": puts},
        difference=difference,
    )


def beside(share: float) -> Beside:
    """A shuffle that reads at such a share of what the library gets, and writes as fast."""
    return Beside(rates={"write": 200e6, "read": share * 400e6}, alone={"write": 200e6, "read": 400e6}, difference="")


def row(name: str, kind: str) -> Row:
    """A row with figures of every store."""
    return Row(
        name=name,
        kind=kind,
        url=f"{kind}://somewhere",
        words=[
            Count(seconds=seconds, map_seconds=0.5, reduce_seconds=0.25, bytes_shuffled=2_000_000, difference="")
            for seconds in (1.0, 4.0, 2.0)
        ],
        exchanges=[exchanged(0.5, 0.2), exchanged(0.4, 0.1), exchanged(0.8, 0.4)],
        roofline=[
            Roof(block=64 << 10, side=32, runs=[beside(0.9), beside(0.7), beside(0.85)]),
            Roof(block=1 << 20, side=8),  # as where a store failed midway
            Roof(block=16 << 20, side=2, runs=[beside(0.5)]),
        ],
    )


@pytest.fixture
def report() -> Report:
    """Three stores, and one of which there is none."""
    s3 = row("S3", "s3")
    s3.dollars = 0.0001824
    s3.layouts = [
        Layouts(
            maps=20,
            reduces=20,
            per_map=exchanged(1, 2),
            merged=replace(exchanged(0.5, 1.5), merge=exchanged(1, 0.1).write),
            per_pair=exchanged(8, 4, puts=400),
        )
    ]
    s3.costs = [
        Cost(client=client, operation=operation, size=size, requests=10, cpu=cpu, seconds=0.002)
        for cpu in (0.001, 0.003)
        for client in ("obstore", "boto3")
        for operation in ("put", "get")
        for size in (1 << 10, 1 << 20)
    ]
    redis = row("Redis", "redis")
    redis.warnings = ["it may be full"]
    redis.footprints = [
        Footprint(size=64 << 20, store={"write": 1.0, "read": read}, alone={"write": 2, "read": 1}, difference="")
        for read in (1.1, 1.5, 1.4)
    ]
    redis.pipelining = [Pipelining(values=4096, single=3.0, pipelined=0.3, store=0.75, difference="")]
    return Report(
        machine={"processors": 2},
        versions={"obstore": "1.2"},
        way=Way(),
        prices="the list of AWS",
        rows=[row("folder", "file"), s3, redis, Row(name="other", kind="other", absent="not compared: why not")],
    )


def test_tables(report: Report) -> None:
    """Each table has its rows, with medians, spreads, shares and prices."""
    tables = {sheet.title: sheet for sheet in sheets(report)}
    assert list(tables) == [
        "Word count of 20.0 MB over each store, 16 partitions, medians of 3 runs",
        "Shuffle of 64.0 MB, 16 map tasks x 16 partitions, 2 workers, medians of 3 runs",
        *(f"{name}: shuffles beside the client library alone, medians of 3 runs" for name in ("folder", "S3", "Redis")),
        "Redis: 4,096 values of 1.0 KB written and read by one process, medians of 3 runs",
        "Redis: memory of a client that holds 67.1 MB in values of 1 MiB, medians of 3 runs",
        "S3: shuffle of 64.0 MB in many pieces, 20 map tasks x 20 partitions, one run",
        "S3: processor time of S3 clients, one request after the other, medians of 3 runs",
        "Stores",
    ]
    words, shuffle, _, s3, _, pipelines, memory, layout, clients, stores = tables.values()
    assert words.head == shuffle.head == ("", "folder", "S3", "Redis")
    figures = {name: cells for name, *cells in words.rows}
    assert figures["whole job, s"] == ["2.00"] * 3
    assert figures["least-most, s"] == ["1.00-4.00"] * 3
    assert figures["output"] == ["right"] * 3
    assert [tuple(some) for some in shuffle.rows] == [
        ("write, s", *["0.500"] * 3),
        ("  least-most, s", *["0.400-0.800"] * 3),
        ("  MB/s", *["128"] * 3),
        ("  call p50, ms", *["50.0"] * 3),
        ("  call p99, ms", *["99.0"] * 3),
        ("  client CPU, s", *["0.125"] * 3),
        ("read, s", *["0.200"] * 3),
        ("  least-most, s", *["0.100-0.400"] * 3),
        ("  MB/s", *["320"] * 3),
        ("  call p50, ms", *["50.0"] * 3),
        ("  call p99, ms", *["99.0"] * 3),
        ("  client CPU, s", *["0.250"] * 3),
        ("put requests", *["16"] * 3),
        ("get requests", *["256"] * 3),
        ("list requests", *["0"] * 3),
        ("size requests", *["0"] * 3),
        ("delete requests", *["1"] * 3),
        ("price of requests", "0", "$0.000182", "0, node by the hour"),
        ("bytes", *["right"] * 3),
    ]
    assert any("the list of AWS" in note for note in shuffle.notes)
    assert s3.rows[2:] == [
        ("read, 64 KiB blocks", "32 x 32", "340", "400", "85%", "0.70-0.90"),
        ("read, 16 MiB blocks", "2 x 2", "200", "400", "50%", "0.50-0.50"),
    ]
    assert s3.notes == ["the target, 80% of what the library gets, is missed by read of 16 MiB blocks (50%)"]
    assert pipelines.rows == [
        ("one at a time", "3.000", "2,731", "1.0", "1.0-1.0"),
        ("pipelines", "0.300", "27,307", "10.0", "10.0-10.0"),
        ("shuffle store", "0.750", "10,923", "4.0", "4.0-4.0"),
    ]
    assert pipelines.notes == ["the target, 5 times, is missed"]
    assert memory.rows == [
        ("write, pipelines", "2.00", "2.00-2.00"),
        ("write, shuffle store", "1.00", "1.00-1.00"),
        ("read, pipelines", "1.00", "1.00-1.00"),
        ("read, shuffle store", "1.40", "1.10-1.50"),
    ]
    assert memory.notes[-1] == "the target, 1.3 times at most, is missed"
    assert layout.rows == [
        ("map task, in two levels", "16", "256", "0.50", "1.00", "1.50", "3.00"),
        ("map task, directly", "16", "256", "1.00", "", "2.00", "3.00"),
        ("map task and partition", "400", "256", "8.00", "", "4.00", "12.00"),
    ]
    assert "takes 1/4.0 of the time in two levels" in layout.notes[0]
    assert "1/4.0 directly, and to write 1/8.0; the target, 1/3 of the time, is met" in layout.notes[0]
    assert clients.rows[0] == ("put, boto3", "1 KiB", "10", "2.000", "1.000-3.000", "1,953.12", "2.00")
    assert len(clients.rows) == 8
    assert "not installed" in clients.notes[0]
    assert [some[-1] for some in stores.rows] == ["yes", "yes", "yes", "no"]
    assert stores.notes[:2] == ["Redis: it may be full", "other: not compared: why not"]


def test_only_what_was_measured_is_shown(report: Report) -> None:
    """Without figures there is no table but that of the stores."""
    empty = replace(report, rows=[Row(name="folder", kind="file"), report.rows[-1]])
    assert [sheet.title for sheet in sheets(empty)] == ["Stores"]


def test_problems(report: Report) -> None:
    """Failures and wrong results are problems; that a store is absent is none."""
    assert problems(report) == []
    folder, s3, redis, _ = report.rows
    folder.exchanges.append(exchanged(1, 1, difference="1 of 256 pieces are wrong"))
    s3.problem = "cannot be reached"
    redis.words.append(replace(redis.words[0], difference="a word is wrong"))
    redis.roofline[2].runs.append(replace(beside(1), difference="a block is wrong"))
    assert problems(report) == [
        "folder: 1 of 256 pieces are wrong",
        "S3: cannot be reached",
        "Redis: a word is wrong",
        "Redis: a block is wrong",
    ]
    words, shuffle, *_, stores = sheets(report)
    assert words.rows[-1] == ("output", "right", "right", "WRONG")
    assert shuffle.rows[-1] == ("bytes", "WRONG", "right", "right")
    assert [some[-1] for some in stores.rows] == ["yes", "FAILED", "yes", "no"]


def test_percentiles() -> None:
    """The least value that so many percent do not exceed."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7


@pytest.mark.slow
def test_png(report: Report, tmp_path: Path) -> None:
    """A picture in pixels, in which something was drawn."""
    path = tmp_path / "picture.png"
    picture.check(str(path))
    picture.draw(report, str(path))
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) > 800
        assert len(image.convert("RGB").getcolors(1 << 24) or ()) > 50


@pytest.mark.slow
def test_svg(report: Report, tmp_path: Path) -> None:
    """A picture in lines: each question has its axes, and these have their names and units."""
    path = tmp_path / "picture.svg"
    picture.draw(report, str(path))
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = path.read_text()
    axes = [one for one in root.iter() if one.get("id", "").startswith("axes_")]
    assert len(axes) == 9
    for label in ("Word count of 20.0 MB", "whole job, s", "MB/s", "ms (logarithmic)", "share, %", "CPU ms"):
        assert label in text


@pytest.mark.slow
def test_picture_of_nothing(report: Report, tmp_path: Path) -> None:
    """Where every store failed, the picture is empty, and no error."""
    path = tmp_path / "picture.png"
    picture.draw(replace(report, rows=[Row(name="folder", kind="file", problem="no")]), str(path))
    with Image.open(path) as image:
        assert image.format == "PNG"


def test_unusable_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be drawn is known before anything is measured."""
    with pytest.raises(ConfigError, match=r"--picture: figures.gif must end in .png or .svg"):
        picture.check("figures.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"--picture needs matplotlib: pip install 'bsp-mapreduce\[bench\]'"):
        picture.check("figures.png")
