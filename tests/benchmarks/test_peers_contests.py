"""What is done in a comparison, and how outputs are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.peers.catalogue import OURS, PEERS, Peer
from benchmarks.peers.contests import contests, sort, word_count
from benchmarks.sorting.records import records

COUNT = 1_000
BOTH = [peer for peer in PEERS if peer.name in {"pool_counter", "numpy_pool", "gnu_sort"}]


def test_contests(kept: Path) -> None:
    """Each size is a contest of those who take part; sorts of binary records and of lines are two."""
    found = [(one.what, [peer.name for peer in one.peers]) for one in contests(BOTH, [10, 20], [800, 1_600], str(kept))]
    sorts = [("sort", ["numpy_pool"]), ("sort", ["gnu_sort"])]
    assert found == [("words", ["pool_counter"])] * 2 + sorts * 2
    assert list(contests([], [10], [800], str(kept))) == []


def test_words(kept: Path, tmp_path: Path) -> None:
    """An output is right that is the words and their counts, in any order."""
    contest = word_count(10, [], str(kept))
    assert contest.ours == OURS["words"]
    (tmp_path / "part-00000").write_text("no\t1\n")
    assert "the output in" in contest.check(str(tmp_path))
    words = sorted(word for path in contest.files for word in Path(path).read_text().split())
    lines = [f"{word}\t{words.count(word)}\n" for word in sorted({*words}, reverse=True)]
    (tmp_path / "part-00000").write_text("".join(lines))
    assert contest.check(str(tmp_path)) == ""


@pytest.mark.parametrize("layout", ["binary", "ascii"])
def test_records(layout: str, kept: Path) -> None:
    """The files are the first records that there are, kept from one time to the next."""
    contest = sort(COUNT * 100, layout, [], str(kept))
    data = b"".join(Path(path).read_bytes() for path in contest.files)
    assert data == records(0, COUNT, layout).tobytes()
    assert len(contest.files) == 8
    assert contest.size == COUNT * 100
    before = Path(contest.files[0]).stat()
    assert sort(COUNT * 100, layout, [], str(kept)).files == contest.files
    assert Path(contest.files[0]).stat() == before


def test_titles(kept: Path) -> None:
    """Titles tell what of how much."""
    assert sort(800, "ascii", [], str(kept)).title == "Sort of 800 B of records that are lines in 8 files"
    assert word_count(10, [], str(kept)).title == "Word count of 10 B in 8 files"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows, ""),
        (lambda rows: rows[::-1], "records are out of order"),
        (lambda rows: rows[1:], "999 records of checksum"),
        (lambda rows: [rows[0], *rows[:-1]], "1000 records of checksum"),
        (lambda rows: [*rows[:-1], rows[-1][:99]], "no whole number of records"),
        (lambda rows: [], "0 records of checksum"),
    ],
    ids=["right", "order", "loss", "twice", "length", "empty"],
)
def test_sorted(change: Callable[[list[bytes]], list[bytes]], problem: str, kept: Path, tmp_path: Path) -> None:
    """An output is right whose parts hold all records in order, whatever else lies there."""
    contest = sort(COUNT * 100, "binary", [Peer("sort.numpy_pool")], str(kept))
    rows = change(sorted(row.tobytes() for row in records(0, COUNT)))
    (tmp_path / "part-00001-of-two").write_bytes(b"".join(rows[500:]))
    (tmp_path / "part-00000-of-two").write_bytes(b"".join(rows[:500]))
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".part-00000-of-two.crc").write_bytes(b"crc")
    found = contest.check(str(tmp_path))
    assert (problem in found) if problem else found == ""


def test_no_output(kept: Path, tmp_path: Path) -> None:
    """Who writes nothing has not sorted."""
    contest = sort(COUNT * 100, "binary", [], str(kept))
    for folder in (tmp_path, tmp_path / "absent"):
        assert contest.check(str(folder)) == f"there is no output in {folder}"
