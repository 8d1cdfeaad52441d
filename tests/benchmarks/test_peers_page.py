"""The tables of the comparison with peers, and its sections of the page."""

from __future__ import annotations

from benchmarks.peers.compare import Comparison, Report, Row
from benchmarks.peers.page import sections, sheets


def comparison(what: str, ours: list[str]) -> Comparison:
    """Two runs of ours, beside a fast peer, a slow one and others."""
    own = [Row(name=name, version="mapreduce 1.0", seconds=[2.0, 4.0], cpu=[1.0, 3.0]) for name in ours]
    ratios = {name: [1.0, 1.0] for name in ours}
    for row in own:
        row.ratios = ratios
    fast = Row(name="fast", version="fast 2.0", seconds=[1.0], cpu=[1.0], ratios={name: [0.5] for name in ours})
    slow = Row(name="slow", seconds=[8.0, 8.0], cpu=[9.0, 9.0], ratios={name: [4.0, 2.0] for name in ours})
    broken = Row(name="broken", seconds=[1.0], cpu=[1.0], problem="exit code 1")
    absent = Row(name="absent", problem="not installed: no module", missing=True)
    rows = [*own, slow, fast, broken, absent]
    return Comparison(what=what, title=f"{what} of something", size=40_000_000, ours=ours, rows=rows)


def report(*comparisons: Comparison) -> Report:
    """A report of these."""
    return Report(machine={"processors": 2}, workers=2, once=30.0, comparisons=list(comparisons))


def test_table() -> None:
    """The fastest first, with its ratios to each of ours; what has no figures is a note."""
    [sheet] = sheets(report(comparison("words", ["ours", "ours_batch"])))
    head = ["", "runs", "median s", "least-most s", "MB/s", "CPU s"]
    head += ["times ours", "least-most", "times ours_batch", "least-most"]
    assert [name.replace("\n", " ") for name in sheet.head] == head
    assert [list(row) for row in sheet.rows] == [
        ["fast", "1", "1.00", "1.00-1.00", "40.0", "1.0", "0.50", "0.50-0.50", "0.50", "0.50-0.50"],
        ["ours", "2", "3.00", "2.00-4.00", "13.3", "2.0", "1", "", "1.00", "1.00-1.00"],
        ["ours_batch", "2", "3.00", "2.00-4.00", "13.3", "2.0", "1.00", "1.00-1.00", "1", ""],
        ["slow", "2", "8.00", "8.00-8.00", "5.0", "9.0", "3.00", "2.00-4.00", "3.00", "2.00-4.00"],
    ]
    assert sheet.notes == [
        "broken: exit code 1",
        "absent: not installed: no module",
        "versions: mapreduce 1.0, fast 2.0",
    ]


def test_sections() -> None:
    """What is done has a section, with command, machine and all its tables."""
    words, sort = comparison("words", ["ours"]), comparison("sort", ["ours"])
    found = dict(sections(report(words, sort, sort), "mapreduce bench peers --runs 3"))
    assert list(found) == ["words", "sort"]
    for what, text in found.items():
        assert text.startswith("## ")
        assert "\n\n    mapreduce bench peers --runs 3\n\nMeasured on: processors 2.\n\n### " in text
        assert "all get 2 processes" in text
        assert "longer than 30 s ran once" in text
        assert text.count(f"### {what} of something") == 1 + (what == "sort")
    assert list(dict(sections(report(sort), "")).keys()) == ["sort"]
