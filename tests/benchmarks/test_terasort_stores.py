"""Terasort through several stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import terasort_stores
from benchmarks.compare.places import Place
from benchmarks.peers import contests
from benchmarks.terasort_stores import Report, Row, Sorted, page_section, problems, run, sheet
from driver.cli import main


def place(path: Path, name: str) -> Place:
    """A folder."""
    return Place(name=name, url=(path / name).as_uri())


def one(seconds: float, shuffling: float = 2) -> Sorted:
    """A sort whose bytes take the client library 1.5 s."""
    rates = {"write": 100.0, "read": 200.0}
    return Sorted(seconds=seconds, shuffled=100, shuffling=shuffling, rates=rates, difference="")


def test_figures() -> None:
    """The roofline is the time of bytes both ways; the rest is what a sort takes beyond it."""
    assert one(4).roofline == 1.5
    assert one(4).rest == 2.5
    assert one(4, shuffling=0.5).rest == 3.5  # a store that is faster than its client library cannot have waited longer


def test_runs(kept: Path, tmp_path: Path) -> None:
    """Every store sorts as often as the others, and its efficiency is that beside the first one's."""
    told: list[str] = []
    places = [place(tmp_path, "folder"), place(tmp_path, "other")]
    report = run(places, 100_000, absent={"s3": "none"}, workers=1, runs=2, data=str(kept), tell=told.append)
    folder, other, absent = report.rows
    assert told == ["run 1 of 2: folder", "run 1 of 2: other", "run 2 of 2: other", "run 2 of 2: folder"]
    assert problems(report) == []
    for row in (folder, other):
        assert all(sort.shuffled > 100_000 and sort.roofline > 0 for sort in row.runs)
        rests = [(own.rest, sort.rest) for own, sort in zip(folder.runs, row.runs, strict=True)]
        assert row.efficiency == [own / its for own, its in rests]
    assert (absent.name, absent.absent, absent.runs) == ("s3", "none", [])


def test_failures(kept: Path, tmp_path: Path) -> None:
    """A store that cannot be used is a problem, and the others are measured."""
    places = [place(tmp_path, "folder"), Place(name="broken", url="absent://somewhere")]
    report = run(places, 100_000, absent={}, workers=1, runs=2, data=str(kept))
    [problem] = problems(report)
    assert problem.startswith("broken: ")
    assert len(report.rows[0].runs) == 2
    assert f"broken: {report.rows[1].problem}" in sheet(report).notes


def test_wrong_output(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output is validated."""
    monkeypatch.setattr(contests, "_unsorted", lambda *_, **__: "the output is wrong")
    report = run([place(tmp_path, "folder")], 100_000, absent={}, workers=1, runs=2, data=str(kept))
    assert problems(report) == ["folder: the output is wrong"]
    assert len(report.rows[0].runs) == 1


def test_table() -> None:
    """Stores that miss the target are named."""
    rows = [
        Row(name="folder", runs=[one(2.5)], efficiency=[1.0]),
        Row(name="fast", server="a server 1.0", runs=[one(2.5)], efficiency=[1.0]),
        Row(name="slow", runs=[one(3.5), one(5.5)], efficiency=[0.5, 0.25]),
        Row(name="s3", absent="not compared"),
    ]
    report = Report(machine={"processors": 2}, title="Sort of much", workers=2, rows=rows)
    table = sheet(report)
    assert table.title == "Sort of much, through each store, 2 workers"
    assert table.rows[2] == ["slow", "2", "4.50", "3.50-5.50", "1.50", "3.00", "38%", "0.25-0.50"]
    assert table.notes == [
        "s3: not compared",
        "the target, 70% of the folder's, is missed by slow",
        "fast is served by a server 1.0",
    ]
    text = page_section(report, "mapreduce bench terasort-stores")
    assert "\n\n    mapreduce bench terasort-stores\n\nMeasured on: processors 2.\n\n### Sort of much" in text
    rows[2].efficiency = [0.7]
    assert "the target, 70% of the folder's, is met by all" in sheet(report).notes


@pytest.mark.process
def test_command(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command measures a folder at least, says why there is no other, and writes the page."""
    markdown = tmp_path / "page.md"
    arguments = ["--size=100KB", "--runs=1", "--workers=1", f"--data={kept}", f"--markdown={markdown}", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "terasort-stores", *arguments])
    assert ended.value.code == 0
    folder, *others = json.loads(capsys.readouterr().out)["rows"]
    assert folder["efficiency"] == [1.0]
    assert [row["name"] for row in others] == ["s3", "redis"]
    assert all("--local-services" in row["absent"] for row in others)
    page = markdown.read_text()
    assert page.count("bench terasort-stores --size 100KB --runs 1 --workers 1 --markdown") == 1
    assert terasort_stores.TARGET == 0.7
