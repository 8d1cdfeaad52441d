"""Files of records."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.sorting import generator
from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.generator import generate
from benchmarks.sorting.records import records
from mapreduce.errors import ConfigError, OutputError

if TYPE_CHECKING:
    import numpy as np

START = 2**64 - 5000


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred records are several tasks."""
    monkeypatch.setattr(generator, "_RANGE", 333)


@pytest.mark.parametrize(("layout", "skewed"), [("binary", False), ("ascii", True), ("teragen", False)])
@pytest.mark.usefixtures("small_ranges")
def test_file(tmp_path: Path, layout: str, skewed: bool) -> None:
    """A file holds the records, and its checksum is theirs."""
    path = tmp_path / "records"
    made = generate(10_000, str(path), layout=layout, skewed=skewed, start=START, workers=1)
    rows = records(START, 10_000, layout, skewed=skewed)
    assert path.read_bytes() == rows.tobytes()
    assert (made.records, made.checksum, made.files) == (10_000, checksum(rows), [str(path)])
    assert os.listdir(tmp_path) == ["records"]


@pytest.mark.parametrize("parts", [1, 3, 7])
@pytest.mark.usefixtures("small_ranges")
def test_parts(tmp_path: Path, parts: int) -> None:
    """The parts of a folder hold the records in the order of their names, alike in number."""
    folder = tmp_path / "folder"
    made = generate(1000, str(folder), start=START, parts=parts, workers=1)
    assert made.files == [f"{folder}/part-{part:05}" for part in range(parts)]
    assert sorted(os.listdir(folder)) == [f"part-{part:05}" for part in range(parts)]
    texts = [Path(path).read_bytes() for path in made.files]
    assert b"".join(texts) == records(START, 1000).tobytes()
    assert max(map(len, texts)) - min(map(len, texts)) <= 100
    assert made.checksum == checksum(records(START, 1000))


@pytest.mark.process
@pytest.mark.usefixtures("small_ranges")
def test_processes_make_no_difference(tmp_path: Path) -> None:
    """Several processes write what one does."""
    one = generate(5000, str(tmp_path / "one"), start=START, parts=3, workers=1)
    several = generate(5000, str(tmp_path / "several"), start=START, parts=3, workers=2)
    assert several.checksum == one.checksum
    for mine, theirs in zip(one.files, several.files, strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()


def test_no_records(tmp_path: Path) -> None:
    """None make an empty file."""
    assert generate(0, str(tmp_path / "none"), workers=1).checksum == 0
    assert (tmp_path / "none").read_bytes() == b""


def test_more_parts_than_records(tmp_path: Path) -> None:
    """Some parts are empty."""
    made = generate(2, str(tmp_path / "folder"), parts=4, workers=1)
    assert [os.path.getsize(path) for path in made.files] == [0, 100, 0, 100]


def test_an_earlier_file_is_replaced(tmp_path: Path) -> None:
    """Also where a link leads to it."""
    (tmp_path / "file").write_bytes(b"x" * 1_000_000)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    generate(3, str(tmp_path / "link"), workers=1)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == records(0, 3).tobytes()


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    """It may have been made for this."""
    generate(3, str(tmp_path), parts=1, workers=1)
    assert os.listdir(tmp_path) == ["part-00000"]


@pytest.mark.parametrize("parts", [None, 2])
@pytest.mark.parametrize(
    ("trouble", "error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError, "cannot write .*: No space left on device"),
        (KeyboardInterrupt("now"), KeyboardInterrupt, "now"),
    ],
    ids=["full", "interrupt"],
)
def test_failure_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: BaseException,
    error: type[BaseException],
    message: str,
    parts: int | None,
) -> None:
    """Half a file is never taken for a whole one, and an earlier one stays."""
    place = tmp_path / "place"
    if parts is None:
        place.write_bytes(b"earlier")

    def fail(rows: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> int:
        raise trouble

    monkeypatch.setattr(generator, "checksum", fail)
    with pytest.raises(error, match=message):
        generate(1000, str(place), parts=parts, workers=1)
    assert os.listdir(tmp_path) == ([] if parts else ["place"])
    assert parts is not None or place.read_bytes() == b"earlier"


def test_a_folder_without_parts(tmp_path: Path) -> None:
    """The error says what to add."""
    with pytest.raises(OutputError, match="it is a folder: say into how many parts"):
        generate(3, str(tmp_path), workers=1)


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    """Parts of different data never lie beside each other."""
    (tmp_path / "part-00007").touch()
    with pytest.raises(OutputError, match=r"is not empty \(it holds part-00007\)"):
        generate(3, str(tmp_path), parts=2, workers=1)
    assert os.listdir(tmp_path) == ["part-00007"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """It stays."""
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"cannot write .*/file: Not a directory"):
        generate(3, str(tmp_path / "file"), parts=2, workers=1)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_no_regular_file(tmp_path: Path) -> None:
    """A pipe is not replaced by a file, nor a device."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="it is no regular file"):
        generate(3, str(tmp_path / "pipe"), workers=1)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("parts", [None, 2])
def test_an_absent_folder(tmp_path: Path, parts: int | None) -> None:
    """The parent of a file, or of a folder, must be there."""
    with pytest.raises(OutputError, match=r"cannot write .*/absent/place: No such file or directory"):
        generate(3, str(tmp_path / "absent" / "place"), parts=parts, workers=1)


def test_more_than_fits(tmp_path: Path) -> None:
    """It is refused at once."""
    with pytest.raises(OutputError, match=r"100000000.* TB do not fit into .*: it has room for"):
        generate(10**18, str(tmp_path / "file"), workers=1)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": "text"}, "'text' is none of"),
        ({"layout": "teragen", "skewed": True}, "teragen has no skewed keys"),
        ({"start": 2**128 - 2}, "record numbers have 128 bits"),
        ({"start": -1}, "record numbers have 128 bits"),
        ({"parts": 0}, "parts: 0 is less than one"),
        ({"workers": 0}, "workers: 0 is less than one"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    """They are refused before anything is written."""
    with pytest.raises(ConfigError, match=message):
        generate(3, str(tmp_path / "file"), **arguments)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generation writes files alone."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="s3://bucket/key is a URL: records are written to files"):
        generate(3, "s3://bucket/key")
