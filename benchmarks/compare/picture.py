"""The comparison as a picture: small multiples, one for each question."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.compare import layout, pipelining, roofline
from benchmarks.compare.clients import Cost
from benchmarks.compare.report import Report, Row, percentile
from mapreduce import ConfigError
from mapreduce.sizes import format_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Draws one of the multiples.
Panel = Callable[["Axes"], None]

_ENDINGS = (".png", ".svg")
_COLUMNS = 3
# Colours that the colour-blind tell apart (Okabe and Ito), one for each meaning.
_WRITE, _READ, _PLAIN, _TARGET = "#0072B2", "#E69F00", "#56B4E9", "#555555"
_CLIENTS = {"obstore": "#009E73", "boto3": "#D55E00", "AWS CRT": "#CC79A7"}
_PHASES = {"write": _WRITE, "read": _READ}


def check(path: str) -> None:
    """Find out, before anything is measured, whether a picture can be drawn into a file of this name.

    Raises:
        ConfigError: it cannot.
    """
    if not path.lower().endswith(_ENDINGS):
        raise ConfigError(f"--picture: {path} must end in {' or '.join(_ENDINGS)}")
    try:
        import matplotlib  # noqa: F401 - it is only looked for
    except ImportError:
        raise ConfigError("--picture needs matplotlib: pip install 'bsp-mapreduce[bench]'") from None


def draw(report: Report, path: str) -> None:
    """Draw what was measured into the file `path`.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.figure import Figure

    panels = list(_panels(report))
    columns = max(1, min(_COLUMNS, len(panels)))
    lines = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(5.0 * columns, 3.7 * lines + 0.5), layout="constrained")
    figure.suptitle(
        f"Shuffle stores, {report.way.workers} workers on {report.machine['processors']} processors;"
        f" medians of {report.way.runs} runs, whiskers from the least to the most"
    )
    for number, panel in enumerate(panels):
        axes = figure.add_subplot(lines, columns, number + 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        panel(axes)
    figure.savefig(path, dpi=110)


def _panels(report: Report) -> Iterator[Panel]:
    rows = report.rows
    if counted := [row for row in rows if row.words]:
        yield partial(_words, counted, report)
    if shuffled := [row for row in rows if row.exchanges]:
        yield partial(_rates, shuffled, report)
        yield partial(_calls, shuffled)
    for row in rows:
        if any(roof.runs for roof in row.roofline):
            yield partial(_shares, row)
    for row in rows:
        for operation in ("put", "get"):
            if some := [cost for cost in row.costs if cost.operation == operation]:
                yield partial(_costs, row, operation, some)
    if ratios := [ratio for row in rows for ratio in _ratios(row)]:
        yield partial(_times, ratios)


def _words(rows: Sequence[Row], report: Report, axes: Axes) -> None:
    axes.set_title(f"Word count of {format_size(report.way.text)}")
    axes.set_ylabel("whole job, s")
    _bars(axes, [row.name for row in rows], [[one.seconds for one in row.words] for row in rows], _PLAIN, "{:.2f}")


def _rates(rows: Sequence[Row], report: Report, axes: Axes) -> None:
    way = report.way
    axes.set_title(f"Shuffle of {format_size(way.size)}, {way.maps} x {way.reduces}")
    axes.set_ylabel("MB/s")
    for number, (phase, colour) in enumerate(_PHASES.items()):
        values = [[one.phase(phase).rate / 1e6 for one in row.exchanges] for row in rows]
        _bars(axes, [row.name for row in rows], values, colour, "{:,.0f}", label=phase, place=(number, 2))
    _legend(axes)


def _calls(rows: Sequence[Row], axes: Axes) -> None:
    axes.set_title("Calls of the store: median, and up to p99")
    axes.set_ylabel("ms (logarithmic)")
    axes.set_yscale("log")
    for number, (phase, colour) in enumerate(_PHASES.items()):
        where = [place + 0.4 * (number - 0.5) for place in range(len(rows))]
        calls = [[1e3 * seconds for one in row.exchanges for seconds in one.phase(phase).calls] for row in rows]
        middle = [percentile(some, 50) for some in calls]
        high = [percentile(some, 99) - half for some, half in zip(calls, middle, strict=True)]
        axes.errorbar(where, middle, ([0.0] * len(high), high), fmt="o", color=colour, capsize=4, label=phase)
        for x, value in zip(where, middle, strict=True):
            _note(axes, x, value, f"{value:.1f}", beside=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(range(len(rows)), [row.name for row in rows])
    axes.set_xlim(-0.5, len(rows) - 0.3)
    axes.margins(y=0.15)
    _legend(axes)


def _shares(row: Row, axes: Axes) -> None:
    axes.set_title(f"{row.name}: share of the client library alone")
    axes.set_ylabel("share, %")
    axes.set_xlabel("blocks, KiB (logarithmic)")
    axes.set_xscale("log", base=2)
    roofs = [roof for roof in row.roofline if roof.runs]
    sizes = [roof.block / 1024 for roof in roofs]
    for phase, colour in _PHASES.items():
        values = [[100 * one.share(phase) for one in roof.runs] for roof in roofs]
        _line(axes, sizes, values, colour, phase)
    axes.axhline(100 * roofline.TARGET, color=_TARGET, linestyle="--", linewidth=1, label="target")
    axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    _legend(axes)


def _costs(row: Row, operation: str, some: Sequence[Cost], axes: Axes) -> None:
    axes.set_title(f"{row.name}: processor time of a {operation}, by client")
    axes.set_ylabel("CPU ms (logarithmic)")
    axes.set_xlabel("object, KiB (logarithmic)")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({cost.size for cost in some})
    for client, colour in _CLIENTS.items():
        of = [[1e3 * cost.cpu for cost in some if (cost.client, cost.size) == (client, size)] for size in sizes]
        if all(of):
            _line(axes, [size / 1024 for size in sizes], of, colour, client)
    axes.set_xticks([size / 1024 for size in sizes], [f"{size // 1024:,}" for size in sizes])
    axes.yaxis.set_major_formatter("{x:g}")
    _legend(axes)


def _ratios(row: Row) -> Iterator[tuple[str, list[float], float]]:
    """What was compared with a plain way: its name, how many times as fast, and the target."""
    if runs := row.pipelining:
        size = format_size(pipelining.SIZE)
        yield f"{size} values\nin pipelines", [one.times for one in runs], pipelining.TARGET
        yield f"{size} values\nin a shuffle", [one.store_times for one in runs], pipelining.TARGET
    for both in row.layouts:
        yield f"{both.maps} x {both.reduces},\nobject per map task", [both.times], layout.TARGET


def _times(ratios: Sequence[tuple[str, list[float], float]], axes: Axes) -> None:
    axes.set_title("Against one value, or one object a pair, at a time")
    axes.set_ylabel("times as fast")
    _bars(axes, [name for name, _, _ in ratios], [values for _, values, _ in ratios], _PLAIN, "{:.1f}")
    for place, (_, _, target) in enumerate(ratios):
        label = "" if place else "target"
        axes.hlines(target, place - 0.45, place + 0.45, color=_TARGET, linestyle="--", linewidth=1, label=label)
    _legend(axes)


def _bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    colour: str,
    text: str,
    *,
    label: str | None = None,
    place: tuple[int, int] = (0, 1),
) -> None:
    """Bars with their figures, beside others where there are several at a place."""
    number, count = place
    width = 0.7 / count
    where = [x + (number - (count - 1) / 2) * width for x in range(len(names))]
    middle, whiskers = _middle(values)
    axes.bar(where, middle, width * 0.92, color=colour, label=label)
    axes.errorbar(where, middle, whiskers, fmt="none", ecolor="#222222", elinewidth=1, capsize=3)
    for x, value, high in zip(where, middle, whiskers[1], strict=True):
        _note(axes, x, value + high, text.format(value))
    axes.set_xticks(range(len(names)), names)
    axes.margins(y=0.15)


def _line(axes: Axes, x: Sequence[float], values: Sequence[Sequence[float]], colour: str, label: str) -> None:
    middle, whiskers = _middle(values)
    axes.errorbar(x, middle, whiskers, fmt="o-", color=colour, linewidth=1.5, markersize=4, capsize=3, label=label)


def _middle(values: Sequence[Sequence[float]]) -> tuple[list[float], tuple[list[float], list[float]]]:
    """Medians, and how far it is from them to the least and to the most."""
    middle = [statistics.median(some) for some in values]
    low = [half - min(some) for some, half in zip(values, middle, strict=True)]
    high = [max(some) - half for some, half in zip(values, middle, strict=True)]
    return middle, (low, high)


def _note(axes: Axes, x: float, y: float, text: str, *, beside: bool = False) -> None:
    offset, align, level = ((7, 0), "left", "center") if beside else ((0, 3), "center", "bottom")
    axes.annotate(text, (x, y), offset, textcoords="offset points", ha=align, va=level, fontsize=8)


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")
