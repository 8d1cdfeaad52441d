"""The tables of a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.compare import footprint, layout, pipelining, roofline
from benchmarks.compare.clients import Cost
from benchmarks.compare.prices import FREE
from benchmarks.compare.report import Report, Roof, Row, median, percentile
from benchmarks.compare.workload import PHASES
from benchmarks.sheet import Sheet, spread
from mapreduce.sizes import format_size

# A shuffle's requests, as the stores count them.
_KINDS = ("put", "get", "list", "size", "delete")


def sheets(report: Report) -> list[Sheet]:
    """All tables, the stores themselves last."""
    return [*figures(report), *_stores(report)]


def figures(report: Report) -> list[Sheet]:
    """The tables of figures."""
    makers = (_words, _shuffle, _roofline, _pipelining, _footprints, _layouts, _clients)
    return [sheet for make in makers for sheet in make(report)]


def _words(report: Report) -> Iterator[Sheet]:
    rows = [row for row in report.rows if row.words]
    if not rows:
        return
    way = report.way
    sheet = Sheet(
        f"Word count of {format_size(way.text)} over each store, {way.reduces} partitions, {_run(report)}",
        ("", *(row.name for row in rows)),
    )
    sheet.rows += [
        ("whole job, s", *(_figure(row.words, lambda one: one.seconds) for row in rows)),
        ("least-most, s", *(spread([one.seconds for one in row.words]) for row in rows)),
        ("map round, s", *(_figure(row.words, lambda one: one.map_seconds) for row in rows)),
        ("reduce round, s", *(_figure(row.words, lambda one: one.reduce_seconds) for row in rows)),
        ("through the store", *(format_size(row.words[-1].bytes_shuffled) for row in rows)),
        ("output", *("WRONG" if any(one.difference for one in row.words) else "right" for row in rows)),
    ]
    sheet.notes.append("Every output was compared with that of a plain Counter, byte for byte.")
    yield sheet


def _shuffle(report: Report) -> Iterator[Sheet]:
    rows = [row for row in report.rows if row.exchanges]
    if not rows:
        return
    way = report.way
    sheet = Sheet(
        f"Shuffle of {format_size(way.size)}, {way.maps} map tasks x {way.reduces} partitions,"
        f" {way.workers} workers, {_run(report)}",
        ("", *(row.name for row in rows)),
    )
    for phase in PHASES:
        taken = [[one.phase(phase) for one in row.exchanges] for row in rows]
        calls = [[1000 * seconds for one in some for seconds in one.calls] for some in taken]
        sheet.rows += [
            (f"{phase}, s", *(_figure(some, lambda one: one.seconds, 3) for some in taken)),
            ("  least-most, s", *(spread([one.seconds for one in some], 3) for some in taken)),
            ("  MB/s", *(_figure(some, lambda one: one.rate / 1e6, 0) for some in taken)),
            ("  call p50, ms", *(f"{percentile(some, 50):.1f}" for some in calls)),
            ("  call p99, ms", *(f"{percentile(some, 99):.1f}" for some in calls)),
            ("  client CPU, s", *(_figure(some, lambda one: one.cpu, 3) for some in taken)),
        ]
    for kind in _KINDS:
        sheet.rows.append((f"{kind} requests", *(f"{row.exchanges[-1].requests.get(kind, 0):,}" for row in rows)))
    sheet.rows += [
        ("price of requests", *(_price(row) for row in rows)),
        ("bytes", *("WRONG" if any(one.difference for one in row.exchanges) else "right" for row in rows)),
    ]
    sheet.notes += [
        "A call writes all that a map task has, or reads all of a partition. Every byte that was read was checked.",
        "A request to Redis is a pipeline.",
        f"Prices: {report.prices}; whoever serves S3 here.",
    ]
    yield sheet


def _roofline(report: Report) -> Iterator[Sheet]:
    for row in report.rows:
        roofs = [roof for roof in row.roofline if roof.runs]
        if not roofs:
            continue
        sheet = Sheet(
            f"{row.name}: shuffles beside the client library alone, {_run(report)}",
            ("", "tasks", "shuffle\nMB/s", "alone\nMB/s", "share", "least-most"),
        )
        sheet.rows += [_roof(roof, phase) for phase in PHASES for roof in roofs]
        low = [
            f"{phase} of {_binary(roof.block)} blocks ({share:.0%})"
            for phase in PHASES
            for roof in roofs
            if (share := statistics.median(one.share(phase) for one in roof.runs)) < roofline.TARGET
        ]
        target = f"the target, {roofline.TARGET:.0%} of what the library gets,"
        sheet.notes.append(f"{target} is missed by {', '.join(low)}" if low else f"{target} is met by all")
        yield sheet


def _roof(roof: Roof, phase: str) -> tuple[str, ...]:
    runs = roof.runs
    return (
        f"{phase}, {_binary(roof.block)} blocks",
        f"{roof.side} x {roof.side}",
        _figure(runs, lambda one: one.rates[phase] / 1e6, 0),
        _figure(runs, lambda one: one.alone[phase] / 1e6, 0),
        f"{median(runs, lambda one: one.share(phase)):.0%}",
        spread([one.share(phase) for one in runs]),
    )


def _pipelining(report: Report) -> Iterator[Sheet]:
    for row in report.rows:
        if not row.pipelining:
            continue
        runs = row.pipelining
        sheet = Sheet(
            f"{row.name}: {runs[0].values:,} values of {format_size(pipelining.SIZE)} written and read by one process,"
            f" {_run(report)}",
            ("", "s", "values/s", "times one\nat a time", "least-most"),
        )
        ways: list[tuple[str, Callable[[pipelining.Pipelining], float]]] = [
            ("one at a time", lambda one: one.single),
            ("pipelines", lambda one: one.pipelined),
            ("shuffle store", lambda one: one.store),
        ]
        for name, figure in ways:
            times = [one.single / figure(one) for one in runs]
            sheet.rows.append(
                (
                    name,
                    _figure(runs, figure, 3),
                    f"{2 * runs[0].values / median(runs, figure):,.0f}",
                    f"{statistics.median(times):.1f}",
                    spread(times, 1),
                )
            )
        met = min(median(runs, lambda one: one.times), median(runs, lambda one: one.store_times)) >= pipelining.TARGET
        sheet.notes.append(f"the target, {pipelining.TARGET:g} times, is {'met' if met else 'missed'}")
        yield sheet


def _footprints(report: Report) -> Iterator[Sheet]:
    for row in report.rows:
        if not row.footprints:
            continue
        runs = row.footprints
        sheet = Sheet(
            f"{row.name}: memory of a client that holds {format_size(runs[0].size)} in values of"
            f" {_binary(footprint.PIECE)}, {_run(report)}",
            ("", "times\nthe bytes", "least-most"),
        )
        for phase in PHASES:
            for name, times in (
                ("pipelines", [one.alone[phase] for one in runs]),
                ("shuffle store", [one.store[phase] for one in runs]),
            ):
                sheet.rows.append((f"{phase}, {name}", f"{statistics.median(times):.2f}", spread(times)))
        most = max(statistics.median([one.store[phase] for one in runs]) for phase in PHASES)
        sheet.notes += [
            "The peak of a process's resident memory, beyond that of one with a single value.",
            f"the target, {footprint.TARGET:g} times at most, is {'met' if most <= footprint.TARGET else 'missed'}",
        ]
        yield sheet


def _layouts(report: Report) -> Iterator[Sheet]:
    for row in report.rows:
        for both in row.layouts:
            size = both.per_map.write.size
            sheet = Sheet(
                f"{row.name}: shuffle of {format_size(size)} in many pieces,"
                f" {both.maps} map tasks x {both.reduces} partitions, one run",
                ("one object for each", "put\nrequests", "get\nrequests", "write\ns", "merge\ns", "read\ns", "all\ns"),
            )
            for name, one in (
                ("map task, in two levels", both.merged),
                ("map task, directly", both.per_map),
                ("map task and partition", both.per_pair),
            ):
                phases = (one.write, one.merge, one.read)
                seconds = [f"{phase.seconds:.2f}" if phase is not None else "" for phase in phases]
                requests = [f"{one.requests.get(kind, 0):,}" for kind in ("put", "get")]
                sheet.rows.append((name, *requests, *seconds, f"{one.seconds:.2f}"))
            met = "met" if both.times >= layout.TARGET else "missed"
            sheet.notes.append(
                f"one object for each map task takes 1/{both.times:.1f} of the time in two levels, which is how jobs"
                f" exchange so many pieces, 1/{both.direct_times:.1f} directly, and to write 1/{both.write_times:.1f};"
                f" the target, 1/{layout.TARGET:g} of the time, is {met}"
            )
            yield sheet


def _clients(report: Report) -> Iterator[Sheet]:
    for row in report.rows:
        if not row.costs:
            continue
        sheet = Sheet(
            f"{row.name}: processor time of S3 clients, one request after the other, {_run(report)}",
            ("", "object", "requests", "CPU ms\na request", "least-most", "CPU ms\na MB", "ms\na request"),
        )
        groups: dict[tuple[str, int, str], list[Cost]] = {}
        for cost in row.costs:
            groups.setdefault((cost.operation, cost.size, cost.client), []).append(cost)
        for (operation, size, client), some in sorted(groups.items(), key=lambda group: (*_order(group[0]),)):
            sheet.rows.append(
                (
                    f"{operation}, {client}",
                    _binary(size),
                    f"{some[0].requests:,}",
                    _figure(some, lambda one: 1e3 * one.cpu, 3),
                    spread([1e3 * one.cpu for one in some], 3),
                    _figure(some, lambda one: 1e3 * one.cpu / (one.size / 1e6), 2),
                    _figure(some, lambda one: 1e3 * one.seconds, 2),
                )
            )
        if not any(cost.client == "AWS CRT" for cost in row.costs):
            sheet.notes.append("AWS CRT: not installed; it comes with `pip install 'boto3[crt]'`")
        else:
            sheet.notes.append("AWS CRT gets whole objects, the others ranges.")
        yield sheet


def _stores(report: Report) -> Iterator[Sheet]:
    sheet = Sheet("Stores", ("", "URL", "served by", "compared"))
    for row in report.rows:
        sheet.rows.append((row.name, row.url, row.server, "FAILED" if row.problem else "no" if row.absent else "yes"))
        sheet.notes += [f"{row.name}: {said}" for said in (row.problem, row.absent, *row.warnings) if said]
    sheet.notes.append("; ".join(f"{name} {value}" for name, value in {**report.machine, **report.versions}.items()))
    yield sheet


def _order(group: tuple[str, int, str]) -> tuple[bool, int, str]:
    """Puts first, then by size."""
    operation, size, client = group
    return operation != "put", size, client


def _figure(items: Sequence[Any], figure: Callable[[Any], float], digits: int = 2) -> str:
    return f"{median(items, figure):,.{digits}f}"


def _price(row: Row) -> str:
    return FREE.get(row.kind, "unknown") if row.dollars is None else f"${row.dollars:.6f}"


def _run(report: Report) -> str:
    return f"medians of {report.way.runs} runs" if report.way.runs > 1 else "one run"


def _binary(size: int) -> str:
    """A size that is a power of two, for people."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return format_size(size)
