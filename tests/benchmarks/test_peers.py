"""The comparison with peers, among those that need nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.peers import compare
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.compare import Row, Way, problems, run
from benchmarks.peers.contests import Contest, contests, word_count
from benchmarks.peers.page import sheets
from benchmarks.process import Whole
from driver.cli import main

pytestmark = pytest.mark.process

SIZE = 100_000


def command(*arguments: str) -> object:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["bench", "peers", *arguments])
    return ended.value.code


def contest(kept: Path, *peers: Peer) -> Contest:
    """A small text, and who counts its words."""
    return word_count(SIZE, peers, str(kept))


def test_words(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and a peer run as whole processes, side by side; outputs are right, and table and page are made."""
    markdown = tmp_path / "peers.md"
    arguments = ["--what=words", "--sizes=100KB", "--runs=2", "--only=pool_counter", f"--data={kept}", "--json"]
    assert command(*arguments, f"--markdown={markdown}") == 0
    [comparison] = json.loads(capsys.readouterr().out)["comparisons"]
    ours, batch, peer = comparison["rows"]
    assert [ours["name"], batch["name"]] == comparison["ours"] == ["ours", "ours_batch"]
    assert peer["name"] == "pool_counter"
    for row in (ours, batch, peer):
        assert row["problem"] == ""
        assert len(row["seconds"]) == len(row["cpu"]) == 2
        for own in (ours, batch):
            ratios = [theirs / its for theirs, its in zip(row["seconds"], own["seconds"], strict=True)]
            assert row["ratios"][own["name"]] == ratios
    page = markdown.read_text()
    assert "| pool_counter | 2 |" in page
    assert "bench peers --what words --sizes 100KB --runs 2 --only pool_counter --markdown" in page
    assert str(kept) not in page


def test_sorts(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Records, binary and as lines, are sorted by ours and by others, and every output is validated."""
    arguments = ["--what=sort", "--sort-sizes=100KB", "--runs=1", "--only=numpy_pool,gnu_sort", f"--data={kept}"]
    assert command(*arguments, "--json") == 0
    binary, lines = json.loads(capsys.readouterr().out)["comparisons"]
    assert (binary["what"], lines["what"]) == ("sort", "sort")
    assert [row["name"] for row in binary["rows"]] == ["ours", "numpy_pool"]
    assert [row["name"] for row in lines["rows"]] == ["ours", "gnu_sort"]
    for row in (*binary["rows"], lines["rows"][0]):
        assert len(row["seconds"]) == 1


@pytest.mark.parametrize("once", [0.5, 2])
def test_slow_peers_run_once(kept: Path, once: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes first takes turns; who is slow is measured once."""
    order: list[str] = []

    def note(peer: Peer, *others: object) -> Whole:
        order.append(peer.name)
        return Whole(seconds=1, cpu=1)

    monkeypatch.setattr(compare, "_run", note)
    run([contest(kept, Peer("words.pool_counter"))], Way(runs=2, once=once))
    first = ["ours", "ours_batch", "pool_counter"]
    assert order == (first if once < 1 else [*first, *reversed(first)])


def test_missing_peers(kept: Path) -> None:
    """What is not installed is reported as such, and is no failure."""
    absent = Peer("words.absent", ["absent_module"])
    java = Peer("words.java", ["click"], "absent-program")
    report = run([contest(kept, absent, java)], Way(runs=1))
    assert problems(report) == []
    told = sheets(report)[0].markdown()
    assert "absent: not installed: ModuleNotFoundError: No module named 'absent_module'" in told
    assert "java: not installed: it needs absent-program" in told


def test_failures(kept: Path) -> None:
    """A peer that fails, or does nothing, is a problem, and is not run again."""
    report = run([contest(kept, Peer("words.absent"), Peer("common"))], Way(runs=2))
    absent, idle = problems(report)
    assert absent.startswith("absent: exit code 1 after 0 s: ")
    assert absent.endswith("No module named peers.words.absent")
    assert ": the output in " in idle
    assert "wrong: 0 lines for" in idle
    assert [len(row.seconds) for row in report.comparisons[0].rows] == [2, 2, 0, 0]


@pytest.mark.parametrize("broken", ["ours", "ours_batch"])
def test_ours_fails(kept: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without figures of ours there is nothing to compare with."""
    monkeypatch.setattr(
        compare, "_run", lambda peer, *_: Whole(seconds=1, cpu=1, problem="no" if peer.name == broken else "")
    )
    report = run([contest(kept, *[Peer("words.pool_counter")] * 2)], Way(runs=2))
    assert problems(report) == [f"{broken}: no"]
    assert len(report.comparisons[0].rows) == 3


def test_steps_are_told(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told for what."""
    monkeypatch.setattr(compare, "_run", lambda *_: Whole(seconds=1, cpu=1))
    told: list[str] = []
    run(contests([Peer("words.pool_counter")], [SIZE], [], str(kept)), Way(runs=2), told.append)
    assert [line.rpartition(": ")[2] for line in told] == ["pool_counter, run 1 of 2", "pool_counter, run 2 of 2"]


def test_ratios() -> None:
    """A ratio is that of the last runs."""
    own, row = Row(name="ours"), Row(name="theirs")
    for seconds in (1, 4):
        own.add(Whole(seconds=seconds, cpu=1))
        row.add(Whole(seconds=6, cpu=1))
        row.compare(own)
    row.add(Whole(seconds=5, cpu=1, problem="wrong"))
    assert row.ratios == {"ours": [6, 1.5]}
    assert (row.seconds, row.problem) == ([6, 6], "wrong")
