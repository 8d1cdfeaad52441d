"""The catalogue of peers."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from benchmarks.peers.catalogue import OURS, PEERS, Peer, choose
from benchmarks.sorting.records import Kind
from mapreduce import ConfigError

ALL = (*PEERS, *(peer for some in OURS.values() for peer in some))


@pytest.mark.parametrize("peer", ALL, ids=lambda peer: peer.script)
def test_scripts(peer: Peer) -> None:
    """Every peer has a script, and sorts what can be generated."""
    assert find_spec(f"benchmarks.peers.{peer.script}") is not None
    assert peer.what in OURS
    Kind(peer.layout).check()


def test_names() -> None:
    """A name stands for one script of what is done."""
    assert len({(peer.what, peer.name) for peer in ALL}) == len(ALL)
    assert Peer("sort.duckdb_").name == "duckdb"


def test_choose() -> None:
    """All by default; an unknown name is an error that lists the known."""
    assert choose(["words", "sort"], None) == list(PEERS)
    assert {peer.what for peer in choose(["sort"], None)} == {"sort"}
    found = choose(["sort", "words"], ["mrjob", "lithops"])
    assert [peer.script for peer in found] == ["words.lithops_", "words.mrjob_", "sort.lithops_"]
    with pytest.raises(
        ConfigError, match="--only: there is no peer 'hadoop'; there are ours_records, pool_counter, duckdb, "
    ):
        choose(["words"], ["hadoop"])
    with pytest.raises(ConfigError, match="--only: there is no peer 'mrjob'"):
        choose(["sort"], ["mrjob"])
    with pytest.raises(ConfigError, match="--what: there is no 'joins'; there are words, sort"):
        choose(["words", "joins"], None)


@pytest.mark.process
@pytest.mark.parametrize(
    ("peer", "version"),
    [
        (Peer("sort.one"), "Python 3."),
        (Peer("sort.two", ["click"], "sh"), "click 8."),
        (Peer("sort.three", program="env"), "env ("),
    ],
    ids=["python", "package", "program"],
)
def test_versions(peer: Peer, version: str) -> None:
    """The version that is told is the framework's, else the program's, else Python's."""
    told = subprocess.run([sys.executable, "-c", peer.probe()], capture_output=True, text=True, check=True).stdout
    assert told.startswith(version)
    assert len(told.splitlines()) == 1
