"""A result gives its pairs as often as it is asked, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Result
from mapreduce import AuthenticationError, BlockError, Job, Mapper, MapReduceError, OutputError

PAIRS: list[tuple[Any, Any]] = [("a", 1), (1, 2.5), (None, [1, 2]), (("x", True), {"k": {1}}), (b"\0", "tab\t\n")]


class Say(Mapper[str, Any, Any]):
    """Yields what it was made with for every line."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs

    def map(self, record: str) -> Iterator[tuple[Any, Any]]:
        yield from self.pairs


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Where control keys and results lie."""
    return tmp_path / "storage"


@pytest.fixture
def driver(storage: Path) -> Driver:
    """A driver in this process."""
    return Driver(executor="inline", storage=storage, workers=1)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """An input of one line."""
    path = tmp_path / "line.txt"
    path.write_text("a line\n")
    return path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_any_objects(driver: Driver, line: Path) -> None:
    """Without an output folder the pairs are the objects that were yielded, each time."""
    result = driver.run(Job(mapper=Say(PAIRS)), line)
    assert list(result) == PAIRS
    assert list(result) == PAIRS
    one, other = iter(result), iter(result)
    assert (next(one), next(other), next(one)) == (PAIRS[0], PAIRS[0], PAIRS[1])
    assert [type(key) for key, _ in result] == [str, int, type(None), tuple, bytes]


@pytest.mark.parametrize(
    ("form", "pairs"),
    [
        ("text", [("a", 1), ("ä b", -2)]),
        ("text", [(1, 0.1), (2, 1e300)]),
        ("text", [(True, None), (False, None)]),
        ("text", [("", "")]),
        ("jsonl", [("a\tb\n", [1, {"x": None}]), (None, 0.1), (True, "\u2028")]),
        ("pickle", PAIRS),
    ],
)
def test_read_back(driver: Driver, line: Path, tmp_path: Path, form: str, pairs: list[tuple[Any, Any]]) -> None:
    """With an output folder the pairs are read back from it, exactly."""
    result = driver.run(Job(mapper=Say(pairs), output_format=form), line, tmp_path / "out")
    assert list(result) == list(result) == pairs
    assert [list(map(type, pair)) for pair in result] == [list(map(type, pair)) for pair in pairs]


@pytest.mark.parametrize("pairs", [[("a", 1), ("b", "1")], [(("a", 1), 1)], [("a", b"x")]])
def test_text_that_cannot_be_read_back(
    driver: Driver, line: Path, tmp_path: Path, pairs: list[tuple[Any, Any]]
) -> None:
    """Text from which the pairs cannot be told is an error with a remedy, not other pairs; the text is there."""
    result = driver.run(Job(mapper=Say(pairs)), line, tmp_path / "out")
    with pytest.raises(OutputError, match=r'cannot be read back .* use output_format="jsonl" or "pickle"'):
        list(result)
    assert (tmp_path / "out" / "part-00000").read_text() == "".join(f"{key}\t{value}\n" for key, value in pairs)


class Bomb:
    """Leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_tampered_pickle(driver: Driver, line: Path, tmp_path: Path) -> None:
    """A pickled part that somebody changed is refused, and nothing of it is loaded."""
    result = driver.run(Job(mapper=Say(PAIRS), output_format="pickle"), line, tmp_path / "out")
    part = tmp_path / "out" / "part-00000"
    part.write_bytes(pickle.dumps(("a", Bomb(tmp_path / "exploded"))) + part.read_bytes())
    with pytest.raises(AuthenticationError, match="part-00000 is not what the job wrote; it was not loaded"):
        list(result)
    assert not (tmp_path / "exploded").exists()


def test_tampered_blocks(driver: Driver, line: Path, storage: Path) -> None:
    """Pairs in the storage that somebody changed are refused."""
    result = driver.run(Job(mapper=Say(PAIRS)), line)
    [part] = files(storage)
    data = bytearray(part.read_bytes())
    data[100] ^= 1
    part.write_bytes(data)
    with pytest.raises(BlockError):
        list(result)


def test_close(driver: Driver, line: Path, storage: Path) -> None:
    """A closed result has deleted its pairs, and says so."""
    with driver.run(Job(mapper=Say(PAIRS)), line) as result:
        assert len(files(storage)) == 1
    assert list(storage.iterdir()) == []
    result.close()
    with pytest.raises(MapReduceError, match=f"the result of job {result.job} is closed"):
        next(iter(result))


def test_forgotten(driver: Driver, line: Path, storage: Path) -> None:
    """A result that nobody holds any more deletes its pairs."""
    result: Result[Any, Any] | None = driver.run(Job(mapper=Say(PAIRS)), line)
    pairs = iter(result or ())
    assert next(pairs) == PAIRS[0]
    del result
    gc.collect()
    assert next(pairs) == PAIRS[1]  # an iterator holds its result
    del pairs
    gc.collect()
    assert list(storage.iterdir()) == []


def test_output_is_kept(driver: Driver, line: Path, tmp_path: Path) -> None:
    """An output folder is the user's: neither closing nor forgetting the result touches it."""
    with driver.run(Job(mapper=Say([("a", 1)])), line, tmp_path / "out") as result:
        pass
    assert list(result) == [("a", 1)]
    del result
    gc.collect()
    assert (tmp_path / "out" / "part-00000").read_text() == "a\t1\n"


def test_description(driver: Driver, line: Path, tmp_path: Path) -> None:
    """A result tells its parts, rounds and metrics."""
    result = driver.run(Job(mapper=Say(PAIRS[:2])), line, tmp_path / "out")
    assert result.parts == ("part-00000",)
    assert result.output == str(tmp_path / "out")
    [only] = result.rounds
    assert (only.number, only.kind, only.tasks, only.attempts) == (0, "map", 1, 1)
    assert (only.records_in, only.bytes_in, only.records_out) == (1, 7, 2)
    assert only.bytes_out == (tmp_path / "out" / "part-00000").stat().st_size
    assert (result.metrics["bytes_in"], result.metrics["records_in"], result.metrics["records_out"]) == (7, 1, 2)
    assert result.metrics["requests"]["list"] >= 1
    assert result.metrics["peak_memory"] > 1_000_000
    assert repr(result) == f"<Result of job {result.job}: 2 pairs in 1 parts, {tmp_path}/out>"


def test_empty(driver: Driver, tmp_path: Path) -> None:
    """No pairs are a result too; an output folder then holds empty parts and the marker."""
    (tmp_path / "empty.txt").touch()
    assert list(driver.run(Job(mapper=Say(PAIRS)), tmp_path / "empty.txt")) == []
    result = driver.run(Job(mapper=Say(PAIRS)), tmp_path / "empty.txt", tmp_path / "out")
    assert list(result) == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_SUCCESS", "part-00000"]
