"""The benchmarks' text."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import text as text_
from benchmarks.kept import FOLDER
from benchmarks.text import review_text
from benchmarks.vocabulary import WORDS, vocabulary

SHA256 = "90a4c0af83b9575d3c20879221e6d9d84f318ecfef3e65155d4b2813abc820fa"
SIZE = 200_000


def whole(files: Sequence[str]) -> bytes:
    """The bytes of all files."""
    return b"".join(Path(path).read_bytes() for path in files)


def test_same_bytes_on_every_machine(text: list[str]) -> None:
    """A change of the text must be meant, and comes with a new version."""
    assert hashlib.sha256(whole(text)).hexdigest() == SHA256


@pytest.mark.process
def test_same_bytes_from_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who generates a file makes no difference."""
    monkeypatch.setattr(text_, "_INLINE", 0)
    assert hashlib.sha256(whole(review_text(SIZE, str(tmp_path)))).hexdigest() == SHA256


@pytest.mark.parametrize("size", [8, 1_000, SIZE])
def test_size(kept: Path, size: int) -> None:
    """Whole lines, in eight files: at most as much as was asked for, but a line for each at least."""
    files = [Path(path).read_bytes() for path in review_text(size, str(kept))]
    assert len(files) == 8
    for data in files:
        assert data.endswith(b"\n")
        assert data.count(b"\n") == 1 or len(data) <= size / 8
        assert len(data) > size / 8 - 2_000


def test_lines(text: list[str]) -> None:
    """Lines have 5 to 120 words, with single spaces between."""
    lines = whole(text).decode().splitlines()
    lengths = [len(line.split(" ")) for line in lines]
    assert min(lengths) == 5
    assert 110 < max(lengths) <= 120
    assert all(line == " ".join(line.split()) for line in lines)


def test_words_of_str_and_of_bytes(text: list[str]) -> None:
    """Splitting before or after decoding gives the same words."""
    data = whole(text)
    assert data.decode().split() == [word.decode() for word in data.split()]


def test_vocabulary() -> None:
    """All kinds of words, all different, none with white space of any kind in it."""
    words, counts = vocabulary()
    assert len(words) == len(set(words)) == len(counts) == WORDS
    assert all(word.split() == [word] and word.decode().split() == [word.decode()] for word in words)
    assert counts.min() == 1
    assert {b"the", b"The", b"the,", b"the.", b"(the)", b"THE", "素晴らしい".encode(), b"$3.99"} <= set(words)


def test_zipf(text: list[str]) -> None:
    """A word's frequency falls a little faster than its rank grows."""
    counts = sorted(Counter(whole(text).split()).values(), reverse=True)
    assert counts[0] / sum(counts) == pytest.approx(0.036, rel=0.1)
    assert counts[2] / counts[99] == pytest.approx(17, rel=0.35)
    assert counts[-1] == 1
    assert len(counts) > 7_000


def test_generated_once(tmp_path: Path) -> None:
    """A text that is there is taken as it is."""
    files = review_text(100, str(tmp_path))
    Path(files[0]).write_bytes(b"kept\n")
    assert review_text(100, str(tmp_path)) == files
    assert Path(files[0]).read_bytes() == b"kept\n"


def test_folders_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts lie where the environment says, else below the home folder; each size has its own."""
    monkeypatch.setenv(FOLDER, str(tmp_path / "named"))
    assert os.path.dirname(review_text(10)[0]) == f"{tmp_path}/named/text-v1-10"
    monkeypatch.delenv(FOLDER)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert os.path.dirname(review_text(20)[0]) == f"{tmp_path}/.cache/mapreduce/bench/text-v1-20"


def test_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a text is never taken for a whole one."""

    def fail(folder: str, size: int) -> None:
        Path(folder, "half").touch()
        raise OSError("disk full")

    monkeypatch.setattr(text_, "_generate", fail)
    with pytest.raises(OSError, match="disk full"):
        review_text(30, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_text_of_a_faster_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that generate one text, the slower takes the other's."""
    generate = text_._generate

    def slow(folder: str, size: int) -> None:
        generate(folder, size)
        (tmp_path / "text-v1-30").mkdir()
        (tmp_path / "text-v1-30" / "theirs").touch()

    monkeypatch.setattr(text_, "_generate", slow)
    assert review_text(30, str(tmp_path)) == [f"{tmp_path}/text-v1-30/theirs"]
    assert len(list(tmp_path.iterdir())) == 1
