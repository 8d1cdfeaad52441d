"""The validator finds what is wrong in files, and where."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.sorting import validator
from benchmarks.sorting.crc32 import checksum
from benchmarks.sorting.generator import generate
from benchmarks.sorting.records import records
from benchmarks.sorting.summary import Misplaced, Summary
from benchmarks.sorting.validator import Place, summarize, validate
from mapreduce.errors import ConfigError, InputError
from mapreduce.objectstore import open_store
from mapreduce.objectstore.registry import open_object

Rows = NDArray[np.uint8]


def in_order(rows: Rows) -> Rows:
    """The rows, sorted by their keys in another way than the validator compares them."""
    return rows[sorted(range(len(rows)), key=lambda row: rows[row, :10].tobytes())]


@pytest.fixture
def rows() -> Rows:
    """Sorted records, of which none have equal keys."""
    return in_order(records(0, 1000))


@pytest.fixture(params=[7, 64, 500_000])
def ranges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks, and what they read at once, of several sizes."""
    monkeypatch.setattr(validator, "_RANGE", request.param)
    monkeypatch.setattr(validator, "_AT_ONCE", min(request.param // 2 + 1, 16384))


def write(folder: Path, *parts: Rows) -> list[str]:
    """A file for each part."""
    paths = []
    for number, part in enumerate(parts):
        paths.append(str(folder / f"part-{number:05}"))
        Path(paths[-1]).write_bytes(part.tobytes())
    return paths


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize("cuts", [[], [400], [0, 1, 1, 999, 1000]])
def test_sorted_records(tmp_path: Path, rows: Rows, cuts: list[int]) -> None:
    """However they are cut into parts, some of them empty."""
    parts = np.split(rows, cuts)
    paths = write(tmp_path, *parts)
    found = validate(paths, workers=1)
    assert found.in_order
    assert found.total == summarize(rows)
    assert f"{found.total.checksum:x}" == "1ea6370b955"
    assert found.parts == {path: summarize(part) for path, part in zip(paths, parts, strict=True)}


@pytest.mark.usefixtures("ranges")
def test_swapped_pair(tmp_path: Path, rows: Rows) -> None:
    """The first record of the pair is told, wherever the ranges of tasks end; the checksum stays."""
    rows[[448, 449]] = rows[[449, 448]]
    (path,) = write(tmp_path, rows)
    found = validate(path, workers=1)
    assert not found.in_order
    assert found.total.unordered == 1
    assert found.total.misplaced == (Misplaced(449, rows[449, :10].tobytes(), rows[448, :10].tobytes()),)
    assert found.place(449) == Place(path, 449)
    assert found.total.checksum == checksum(records(0, 1000))


@pytest.mark.usefixtures("ranges")
def test_swapped_across_parts(tmp_path: Path, rows: Rows) -> None:
    """The last of a part after the first of the next: each part is in order, and both are not."""
    rows[[599, 600]] = rows[[600, 599]]
    paths = write(tmp_path, rows[:600], rows[:0], rows[600:])
    found = validate(paths, workers=1)
    assert [part.unordered for part in found.parts.values()] == [0, 0, 0]
    assert [one.index for one in found.total.misplaced] == [600]
    assert found.place(600) == Place(paths[2], 0)
    assert found.place(599) == Place(paths[0], 599)


def test_order_of_parts(tmp_path: Path, rows: Rows) -> None:
    """Files are taken as given, those of a folder or a glob by name."""
    first, second = write(tmp_path, rows[:500], rows[500:])
    (tmp_path / "_SUCCESS").write_bytes(b"{}")
    assert validate([first, second], workers=1).in_order
    assert validate(tmp_path, workers=1).in_order
    assert validate(f"{tmp_path}/part-*", workers=1).in_order
    assert [one.index for one in validate([second, first], workers=1).total.misplaced] == [500]


@pytest.mark.usefixtures("ranges")
def test_duplicates(tmp_path: Path) -> None:
    """Equal keys are counted inside parts and across; records that differ behind the key are no less equal."""
    rows = np.repeat(in_order(records(0, 200)), 5, axis=0)
    rows[:, 10] = np.arange(1000) % 251
    found = validate(write(tmp_path, rows[:2], rows[2:503], rows[503:]), workers=1)
    assert found.in_order
    assert found.total.duplicates == 800


@pytest.mark.usefixtures("ranges")
def test_keys_of_nul_bytes(tmp_path: Path) -> None:
    """NUL bytes at a key's end, or all of it, are bytes like others."""
    rows = np.zeros((8, 100), np.uint8)
    rows[4:, 9] = 1
    rows[6:, 8] = 1
    found = validate(write(tmp_path, rows[:4], rows[4:]), workers=1)
    assert (found.in_order, found.total.duplicates) == (True, 5)
    backwards = validate(write(tmp_path, rows[::-1]), workers=1)
    assert [one.index for one in backwards.total.misplaced] == [2, 4]
    assert backwards.total.misplaced[1] == Misplaced(4, bytes(10), bytes(9) + b"\x01")


def test_one_record(tmp_path: Path) -> None:
    """It is in order."""
    found = validate(write(tmp_path, records(0, 1)), workers=1)
    assert (found.in_order, found.total.records, found.total.checksum) == (True, 1, 0x9EA593A0)
    assert found.total.first == found.total.last == b"JimGrayRIP"


def test_empty_file(tmp_path: Path) -> None:
    """No records are in order."""
    paths = write(tmp_path, records(0, 0))
    found = validate(paths, workers=1)
    assert found.in_order
    assert (found.total, found.parts) == (Summary(), {paths[0]: Summary()})


@pytest.mark.parametrize("size", [99, 150, 100_001])
def test_truncated_file(tmp_path: Path, rows: Rows, size: int) -> None:
    """The error names the file, and nothing is said of the others."""
    good, bad = write(tmp_path, rows[:10], rows)
    Path(bad).write_bytes((rows.tobytes() + b"more")[:size])
    with pytest.raises(InputError, match=f"{bad} has {size} bytes, .*: {size % 100} are left"):
        validate([good, bad], workers=1)


def test_file_that_shrinks(tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer records than there were are never taken for all."""
    (path,) = write(tmp_path, rows)

    def cut(url: str, access: object) -> object:
        os.truncate(path, 5000)
        return opened(url)

    opened = open_object
    monkeypatch.setattr(validator, "open_object", cut)
    with pytest.raises(InputError, match=f"{path} became shorter while it was read"):
        validate(path, workers=1)


def test_nothing_there(tmp_path: Path) -> None:
    """A glob or path without a file is no success."""
    with pytest.raises(InputError, match="matches no file"):
        validate(f"{tmp_path}/part-*")
    with pytest.raises(InputError, match="matches no file"):
        validate(str(tmp_path))


def test_workers(tmp_path: Path, rows: Rows) -> None:
    """There must be some."""
    with pytest.raises(ConfigError, match="workers: 0 is less than one"):
        validate(write(tmp_path, rows), workers=0)


def test_place_of_no_record(tmp_path: Path, rows: Rows) -> None:
    """Only records have a place."""
    found = validate(write(tmp_path, rows), workers=1)
    for index in (-1, 1000):
        with pytest.raises(IndexError, match=f"there is no record {index} among 1000"):
            found.place(index)


def test_object_store(rows: Rows) -> None:
    """Parts may lie in an object store."""
    store = open_store("memory://sorted")
    store.put("out/part-00000", rows[:600].tobytes())
    store.put("out/part-00001", rows[600:].tobytes())
    found = validate("memory://sorted/out/", workers=1)
    assert found.total == summarize(rows)
    assert found.place(600) == Place("memory://sorted/out/part-00001", 0)


@pytest.mark.process
def test_processes_make_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes find what one does."""
    monkeypatch.setattr(validator, "_RANGE", 333)
    generate(5000, str(tmp_path / "unsorted"), parts=3, workers=1)
    one, several = (validate(tmp_path / "unsorted", workers=workers) for workers in (1, 2))
    assert one == several
    assert several.total == summarize(records(0, 5000))
