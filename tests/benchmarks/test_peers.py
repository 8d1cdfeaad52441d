"""The comparison with peers, among those that need nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.peers import compare
from benchmarks.peers.catalogue import OURS, PEERS, Peer
from benchmarks.peers.compare import Way, choose, problems, run, sheets
from benchmarks.process import Whole
from driver.cli import main
from mapreduce import ConfigError

pytestmark = pytest.mark.process

SIZE = 100_000


def test_command(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and a peer run as whole processes, in pairs; both outputs are right, and both tables are made."""
    markdown = tmp_path / "peers.md"
    arguments = ["--sizes=100KB", "--runs=2", "--only=pool_counter", f"--data={kept}", f"--markdown={markdown}"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", "peers", *arguments, "--json"])
    assert ended.value.code == 0
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    ours, peer = comparison["rows"]
    assert (ours["name"], peer["name"]) == ("ours", "pool_counter")
    for row in (ours, peer):
        assert row["problem"] == ""
        assert len(row["seconds"]) == len(row["cpu"]) == 2
    assert peer["ratios"] == [theirs / own for theirs, own in zip(peer["seconds"], ours["seconds"], strict=True)]
    assert "| pool_counter | 2 |" in markdown.read_text()


@pytest.mark.parametrize("slow", [False, True])
def test_slow_peers_run_once(kept: Path, slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes first takes turns; a slow peer is measured once."""
    order: list[str] = []

    def note(peer: Peer, *others: object) -> Whole:
        order.append(peer.name)
        return Whole(seconds=1, cpu=1)

    monkeypatch.setattr(compare, "_run", note)
    run([SIZE], [Peer(name="peer", script="pool_counter", slow=slow)], Way(runs=2), data=str(kept))
    assert order == (["ours", "peer"] if slow else ["ours", "peer", "peer", "ours"])


def test_missing_peers(kept: Path) -> None:
    """What is not installed is reported as such, and is no failure."""
    peers = [
        Peer(name="absent", script="absent", package="absent", module="absent_module"),
        Peer(name="java", script="absent", package="click", module="click", program="absent-program"),
    ]
    report = run([SIZE], peers, Way(runs=1), data=str(kept))
    assert problems(report) == []
    told = sheets(report)[0].markdown()
    assert "absent: not installed: ModuleNotFoundError: No module named 'absent_module'" in told
    assert "java: not installed: it needs absent-program" in told


def test_failures(kept: Path) -> None:
    """A peer that fails, or does nothing, is a problem, and is not run again."""
    peers = [Peer(name="broken", script="absent"), Peer(name="idle", script="common")]
    report = run([SIZE], peers, Way(runs=2), data=str(kept))
    broken, idle = problems(report)
    assert broken.startswith("broken: exit code 1 after 0 s: ")
    assert broken.endswith("No module named peers.absent")
    assert idle.startswith("idle: the output in ")
    assert "wrong: 0 lines for" in idle
    assert [len(row.seconds) for row in report.comparisons[0].rows] == [2, 0, 0]


def test_ours_fails(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without figures of ours there is nothing to compare with."""
    monkeypatch.setattr(compare, "_run", lambda peer, *_: Whole(seconds=1, cpu=1, problem="no" if peer is OURS else ""))
    report = run([SIZE], [PEERS["pool_counter"]] * 2, Way(runs=2), data=str(kept))
    assert problems(report) == ["ours: no"]
    assert len(report.comparisons[0].rows) == 2


def test_choose() -> None:
    """All by default; an unknown name is an error that lists the known."""
    assert choose(None) == list(PEERS.values())
    assert [peer.name for peer in choose(["mrjob", "lithops"])] == ["mrjob", "lithops"]
    with pytest.raises(ConfigError, match="--only: there is no peer 'ray'; there are pool_counter, lithops, "):
        choose(["ray"])
