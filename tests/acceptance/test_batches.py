"""Jobs over arrays give what plain Python gives, on every executor; sorts are checked byte for byte, never by count."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driver import Driver, Result
from mapreduce import (
    Block,
    ByRange,
    ConfigError,
    FixedInput,
    InputError,
    Job,
    TaskError,
)
from tests.acceptance import batches, jobs
from tests.acceptance.batches import (
    Backwards,
    FirstByte,
    InOrder,
    Largest,
    LineLengths,
    PairTotal,
    Same,
    Total,
    ValuesInOrder,
    Words,
    sort_records,
)
from tests.services import redis_servers, s3_servers

AnyJob = Job[Any, Any, Any, Any, Any]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A driver in this process, whose splits are small."""
    with Driver(executor="inline", storage=tmp_path / "storage", split_size=30_000, workers=2) as found:
        yield found


def write(folder: Path, records: Any, files: int = 3) -> Any:
    """Write an array of records into several files below `folder`; returns the array."""
    (folder / "in").mkdir()
    for number, part in enumerate(np.array_split(records, files)):
        part.tofile(folder / "in" / f"{number}")
    return records


def drawn(count: int, width: int = 100, letters: int = 256) -> Any:
    """Random records."""
    return np.random.default_rng(count).integers(0, letters, (count, width), dtype=np.uint8)


def parts(result: Result[Any, Any]) -> list[bytes]:
    """The bytes of each part of the output, in order."""
    return [(Path(result.output.removeprefix("file://")) / part).read_bytes() for part in result.parts]


def check_sorted(result: Result[Any, Any], records: Any, key: slice = slice(0, 10)) -> list[int]:
    """Check that the parts, one after the other, are the records in order of their keys; returns each part's count."""
    width = records.shape[1]
    data = b"".join(found := parts(result))
    rows = [data[start : start + width] for start in range(0, len(data), width)]
    given = [row.tobytes() for row in records]
    assert [row[key] for row in rows] == sorted(row[key] for row in given)
    assert Counter(rows) == Counter(given)
    return [len(part) // width for part in found]


def test_sort(driver: Driver, tmp_path: Path) -> None:
    """Parts follow each other in order, are of about one size, and hold each record once."""
    records = write(tmp_path, drawn(5_000))
    result = driver.run(sort_records(), tmp_path / "in", tmp_path / "out", 8)
    counts = check_sorted(result, records)
    assert max(counts) <= 1.5 * 5_000 / 8
    assert result.counters == {"records": 5_000}
    assert [one.kind for one in result.rounds] == ["sample", "map", "reduce"]
    assert result.metrics["records_in"] == 5_000
    assert list(result) == [(None, data[at : at + 100]) for data in parts(result) for at in range(0, len(data), 100)]


@pytest.mark.process
def test_sort_in_processes(tmp_path: Path) -> None:
    """Workers do it as this process does, keys at any place of a record."""
    records = write(tmp_path, drawn(20_000, 37))
    with Driver(storage=tmp_path / "storage", split_size=100_000) as driver:
        result = driver.run(sort_records(37, (30, 36)), tmp_path / "in", tmp_path / "out", 5)
    check_sorted(result, records, slice(30, 36))


@pytest.mark.parametrize(
    "records",
    [
        np.zeros((0, 100), np.uint8),
        drawn(1),
        np.full((3_000, 100), 7, np.uint8),
        drawn(3_000, letters=2) * 255,
        np.hstack((drawn(2_000, 8), np.zeros((2_000, 92), np.uint8))),
        np.hstack((np.repeat(drawn(3, 10), 500, axis=0), drawn(1_500, 90))),
        np.sort(drawn(4_000).view("V100"), axis=0).view(np.uint8).reshape(-1, 100),
    ],
    ids=["none", "one", "all equal", "two letters", "NULs at the end", "three keys", "some order"],
)
def test_odd_input(driver: Driver, tmp_path: Path, records: Any) -> None:
    """Empty files, one record, equal keys, NUL bytes, fewer keys than parts: each gives the right result."""
    write(tmp_path, records, files=4)
    check_sorted(driver.run(sort_records(), tmp_path / "in", tmp_path / "out", 8), records)


@pytest.mark.parametrize("split_size", [30_000, 1_000_000])
def test_sorted_input_makes_even_parts(split_size: int, tmp_path: Path) -> None:
    """Input that is in order already has different keys everywhere, and a sample of a part of it sees that."""
    records = drawn(20_000)
    write(tmp_path, records[np.lexsort(records[:, 9::-1].T)])
    job = sort_records(partitioner=ByRange(sample=100))
    with Driver(executor="inline", storage=tmp_path / "storage", split_size=split_size, workers=2) as driver:
        result = driver.run(job, tmp_path / "in", tmp_path / "out", 6)
    counts = check_sorted(result, records)
    assert result.rounds[0].records_in < 20_000 / 4
    assert max(counts) <= 1.5 * 20_000 / 6


def test_skew(driver: Driver, tmp_path: Path) -> None:
    """Keys that crowd together are parted evenly all the same."""
    records = drawn(20_000)
    records[:15_000, :6] = 42
    np.random.default_rng(0).shuffle(records)
    write(tmp_path, records)
    counts = check_sorted(driver.run(sort_records(), tmp_path / "in", tmp_path / "out", 10), records)
    assert max(counts) <= 1.5 * 20_000 / 10


def test_a_sample_smaller_than_the_partitions(driver: Driver, tmp_path: Path) -> None:
    """More parts than sampled keys, or than records, leave parts empty."""
    records = write(tmp_path, drawn(30))
    job = sort_records(partitioner=ByRange(sample=1))
    counts = check_sorted(driver.run(job, tmp_path / "in", tmp_path / "out", 100), records)
    assert len(counts) == 100


def test_a_file_that_is_cut_off(driver: Driver, tmp_path: Path) -> None:
    """It is refused by name before anything starts."""
    (tmp_path / "cut").write_bytes(b"x" * 250)
    with pytest.raises(InputError, match=r"cut has 250 bytes, which is no multiple of the 100 bytes of a record"):
        driver.run(sort_records(), tmp_path / "cut", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("memory", "count"), [(64_000_000, 600_000), (512_000_000, 200_000)])
@pytest.mark.process
@pytest.mark.slow
def test_partitions_larger_than_memory(tmp_path: Path, memory: int, count: int) -> None:
    """What memory does not hold is sorted on disk."""
    records = write(tmp_path, drawn(count))
    with Driver(storage=tmp_path / "storage", memory=memory, workers=2) as driver:
        result = driver.run(sort_records(), tmp_path / "in", tmp_path / "out", 2)
    check_sorted(result, records)
    assert (result.rounds[-1].spilled > 0) == (memory < 100_000_000)


@pytest.mark.parametrize(
    ("combiner", "reducer"),
    [(sum, Total()), (sum, PairTotal()), (None, Total()), (None, PairTotal()), (np.add, Total())],
    ids=["sum-arrays", "sum-pairs", "none-arrays", "none-pairs", "ufunc-arrays"],
)
def test_counts(driver: Driver, tmp_path: Path, reducer: Any, combiner: Any) -> None:
    """Groups of arrays add up to what a Counter counts, combined or not; a batch mapper may feed a plain reducer."""
    records = write(tmp_path, drawn(4_000))
    job = dataclasses.replace(batches.first_bytes, reducer=reducer, combiner=combiner)
    result = driver.run(job, tmp_path / "in", partitions=3)
    assert dict(result) == Counter(records[:, 0].tolist())
    assert result.counters["batches"] >= result.rounds[0].tasks
    assert result.rounds[0].records_in == 4_000


def test_counts_in_order(driver: Driver, tmp_path: Path) -> None:
    """Integers come in the order of their values, across the parts."""
    records = write(tmp_path, drawn(4_000))
    job = dataclasses.replace(batches.first_bytes, order="sorted")
    result = driver.run(job, tmp_path / "in", partitions=5)
    assert list(result) == sorted(Counter(records[:, 0].tolist()).items())


def test_words(driver: Driver, tmp_path: Path) -> None:
    """A batch of text is whole lines, and lists are as good as arrays for a plain reducer."""
    lines = [f"{number % 7} {number % 3}x é" for number in range(5_000)]
    (tmp_path / "in").write_text("\n".join(lines))
    job: AnyJob = Job(mapper=Words(), combiner=sum, reducer=PairTotal())
    result = driver.run(job, tmp_path / "in")
    assert dict(result) == Counter(word for line in lines for word in line.split())
    assert result.metrics["records_in"] == 5_000
    assert dict(driver.run(Job(mapper=Words(), reducer=Largest()), tmp_path / "in")) == dict.fromkeys(dict(result), 1)


def test_chain(driver: Driver, tmp_path: Path) -> None:
    """Arrays pass from job to job, and to a job of plain records."""
    records = write(tmp_path, drawn(4_000, letters=9))
    counts = Counter(records[:, 0].tolist())
    swapped: AnyJob = Job(mapper=Backwards(), reducer=Same(), order="sorted")
    result = driver.run([batches.first_bytes, swapped], tmp_path / "in", partitions=3)
    assert sorted(result) == sorted((count, byte) for byte, count in counts.items())
    assert [key for key, _ in result] == sorted(counts.values())
    plain: AnyJob = Job(reducer=PairTotal())
    assert dict(driver.run([batches.first_bytes, plain], tmp_path / "in")) == counts


def test_maps_alone(driver: Driver, tmp_path: Path) -> None:
    """Without a reducer the blocks are the output, in text too."""
    records = write(tmp_path, drawn(50))
    job = dataclasses.replace(batches.first_bytes, combiner=None, reducer=None)
    assert Counter(driver.run(job, tmp_path / "in")) == Counter((byte, 1) for byte in records[:, 0].tolist())
    result = driver.run(job, tmp_path / "in", tmp_path / "out")
    assert Counter(result) == Counter((byte, 1) for byte in records[:, 0].tolist())


@pytest.mark.parametrize("job", [jobs.words, jobs.words_folded], ids=["combined", "folded"])
def test_the_sample_counts_nothing(tmp_path: Path, job: AnyJob) -> None:
    """What a mapper counts for the sample is not in the counters, nor are the records it read there."""
    lines = 60_000
    (tmp_path / "in").write_text("".join(f"{number % 50} {number % 7}\n" for number in range(lines)))
    job = dataclasses.replace(job, order="sorted", partitioner=ByRange(sample=10))
    with Driver(executor="inline", storage=tmp_path / "storage", workers=2) as driver:
        result = driver.run(job, tmp_path / "in", partitions=3)
        assert [one.kind for one in result.rounds] == ["sample", "map", "reduce"]
        assert 0 < result.rounds[0].records_in < lines
        assert (result.counters["lines"], result.metrics["records_in"]) == (lines, lines)
        assert [key for key, _ in result] == sorted(map(str, range(50)))


def test_sorted_words(driver: Driver, tmp_path: Path) -> None:
    """Plain classes get their keys in order too, across parts of about one size."""
    lines = [f"{number * 7919 % 5003:05d} a" for number in range(5_000)]
    (tmp_path / "in").write_text("\n".join(lines))
    job: AnyJob = Job(mapper=LineLengths(), reducer=InOrder(), order="sorted")
    result = driver.run(job, tmp_path / "in", tmp_path / "out", 4)
    keys = [line.split(b"\t")[0] for part in parts(result) for line in part.splitlines()]
    assert keys == sorted(line.split()[0].encode() for line in lines)
    assert max(part.count(b"\n") for part in parts(result)) <= 1.5 * 5_000 / 4


def test_a_combiner_does_not_skew_the_ranges(driver: Driver, tmp_path: Path) -> None:
    """What is combined before the shuffle weighs as much as any other key."""
    lines = ["zero " * 20 + f"{number:05d}" for number in range(3_000)]
    (tmp_path / "in").write_text("\n".join(lines))
    job: AnyJob = Job(mapper=Words(), combiner=sum, reducer=PairTotal(), order="sorted")
    result = driver.run(job, tmp_path / "in", tmp_path / "out", 4)
    counts = [part.count(b"\n") for part in parts(result)]
    assert sum(counts) == 3_001
    assert max(counts) <= 1.5 * 3_001 / 4


@pytest.mark.parametrize("order", [None, "sorted"])
def test_values_in_order(driver: Driver, tmp_path: Path, order: Any) -> None:
    """The values of a key come in the order that the job declares, pair by pair."""
    lines = [f"{number % 5} {'x' * (number * 31 % 97)}" for number in range(3_000)]
    (tmp_path / "in").write_text("\n".join(lines))
    expected = defaultdict(list)
    for line in lines:
        expected[line[0]].append(len(line))
    for by, sign in ((True, 1), (lambda value: -value, -1)):
        job: AnyJob = Job(mapper=LineLengths(), reducer=InOrder(), sort_values=by, order=order)
        found = dict(driver.run(job, tmp_path / "in", partitions=3))
        assert found == {key: tuple(sorted(values)[::sign]) for key, values in expected.items()}


EVENTS = np.dtype([("user", "<u2"), ("time", "<i8"), ("what", "S5")])


class Users(FirstByte):
    """Events under their users."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        events = batch.view(EVENTS)[:, 0]
        yield Block(events["user"], events)


@pytest.mark.parametrize("order", [None, "sorted"])
def test_arrays_of_values_in_order(driver: Driver, tmp_path: Path, order: Any) -> None:
    """So do structured values in arrays."""
    random = np.random.default_rng(4)
    events = np.zeros(3_000, EVENTS)
    events["user"], events["time"] = random.integers(0, 50, 3_000), random.integers(-(2**40), 2**40, 3_000)
    write(tmp_path, events)
    job: AnyJob = Job(
        mapper=Users(),
        reducer=ValuesInOrder(),
        sort_values=batches.by_time,
        order=order,
        input_format=FixedInput(EVENTS.itemsize),
    )
    found = list(driver.run(job, tmp_path / "in", partitions=3))
    assert sorted(found) == sorted(zip(events["user"].tolist(), events.tolist(), strict=True))
    for user in range(50):
        times = [value[1] for key, value in found if key == user]
        assert times == sorted(times)


class Bad(FirstByte):
    """Yields what it is told to."""

    def __init__(self, block: Any) -> None:
        self.block = block

    def map_batch(self, batch: Any) -> Iterator[Block]:
        yield self.block


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (5, r"Bad.map_batch must yield Block\(keys, values\), not 5"),
        ([1, 2, 3], r"Bad.map_batch must yield Block\(keys, values\), not \[1, 2, 3\]"),
        (([1], [1, 2]), r"Bad.map_batch yielded a block of 1 keys and 2 values"),
        ((["a"], [1]), r"are NumPy arrays, or columns of Arrow, for a reducer of arrays; not list and list"),
        ((np.array(["a"]), np.ones(1)), "keys of dtype <U1 have no stable hash"),
        ((np.ones(1), np.array([None])), "values of dtype object"),
        ((np.array([np.nan]), np.ones(1)), "a NaN cannot be a key"),
    ],
    ids=["no block", "a list", "lengths", "lists", "text", "objects", "a NaN"],
)
def test_bad_blocks(driver: Driver, tmp_path: Path, block: Any, message: str) -> None:
    """What cannot be shuffled as arrays is an error that says who yielded it."""
    write(tmp_path, drawn(5))
    job = dataclasses.replace(batches.first_bytes, mapper=Bad(block), combiner=None)
    with pytest.raises(TaskError, match=message):
        driver.run(job, tmp_path / "in")


class Returning(FirstByte):
    """Returns what it is given as its parameter."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def map_batch(self, batch: Any) -> Any:
        return self.found


@pytest.mark.parametrize("order", [None, "sorted"])
@pytest.mark.parametrize("found", [None, Block(np.ones(1), np.ones(1)), 5], ids=["none", "a block", "a number"])
def test_forgotten_yields(driver: Driver, tmp_path: Path, found: Any, order: Any) -> None:
    """A method that returns what it should yield is named."""
    write(tmp_path, drawn(5))
    job = dataclasses.replace(batches.first_bytes, mapper=Returning(found), order=order)
    with pytest.raises(
        TaskError, match=r"Returning.map_batch must yield Block\(keys, values\), and it returned .*: use"
    ):
        driver.run(job, tmp_path / "in")


@pytest.mark.parametrize("by", [lambda values: values[:1], len])
def test_an_order_of_too_few(driver: Driver, tmp_path: Path, by: Any) -> None:
    """A function that gives no array of what all values are sorted by is told what it is given."""
    write(tmp_path, drawn(5))
    job = dataclasses.replace(batches.first_bytes, combiner=None, sort_values=by)
    with pytest.raises(TaskError, match=r"sort_values gave .* for an array of 5 values: of arrays, it is given all"):
        driver.run(job, tmp_path / "in", partitions=1)


class Mixed(FirstByte):
    """Keys of another dtype in each task."""

    def map_batch(self, batch: Block) -> Iterator[Block]:
        dtype = np.float64 if self.task.index else np.int64
        yield Block(np.ones(1, dtype), np.ones(1))


def test_keys_of_several_dtypes(driver: Driver, tmp_path: Path) -> None:
    """Equal keys meet whatever their dtype, and there the mixture is refused by name."""
    write(tmp_path, drawn(900))
    job = dataclasses.replace(batches.first_bytes, mapper=Mixed(), combiner=None)
    with pytest.raises(TaskError, match=r"blocks of keys \(int64\).* cannot be sorted with blocks of keys \(float64\)"):
        driver.run(job, tmp_path / "in", partitions=7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mapper": LineLengths(), "reducer": Total()},
            "the reducer Total takes arrays, so the mapper must be a Batch",
        ),
        ({"mapper": FirstByte(), "reducer": Total(), "combiner": len}, "a combiner of arrays must be a ufunc of two"),
        ({"mapper": FirstByte(), "reducer": Same(), "combiner": sum}, "a BlockReducer is given records as they are"),
        ({"mapper": LineLengths(), "order": "sorted"}, 'order="sorted" needs a reducer'),
        ({"mapper": LineLengths(), "reducer": InOrder(), "order": "up"}, 'order must be "sorted" or None'),
        ({"mapper": LineLengths(), "reducer": InOrder(), "sort_values": 5}, "sort_values must be a function"),
        ({"mapper": LineLengths(), "reducer": Largest(), "sort_values": True}, "sort_values orders what a Reducer"),
    ],
    ids=["plain mapper", "no ufunc", "combined blocks", "maps alone", "unknown order", "no function", "a fold"],
)
def test_refusals(settings: Any, message: str) -> None:
    """Stages that do not fit each other are refused before anything starts."""
    with pytest.raises(ConfigError) as caught:
        Job(**settings)
    assert str(caught.value).startswith(message)


def test_input_without_batches(driver: Driver, tmp_path: Path) -> None:
    """A batch mapper needs a format that gives batches."""
    (tmp_path / "in").write_text("{}")
    job: AnyJob = Job(mapper=Words(), reducer=PairTotal(), input_format="jsonl")
    with pytest.raises(ConfigError, match=r"JsonLinesInput\(\) gives no batches"):
        driver.run(job, tmp_path / "in")


@pytest.mark.process
@pytest.mark.parametrize("store", ["redis", "s3"])
def test_sort_through_servers(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays travel through real servers as they do through a folder."""
    records = write(tmp_path, drawn(20_000))
    if store == "redis":
        places = {"shuffle": redis_servers.standalone().url}
    else:
        server = s3_servers.seaweedfs()
        s3_servers.use(server.key, monkeypatch)
        places = {"shuffle": f"s3://{s3_servers.place()}", "endpoint_url": server.endpoint}
    with Driver(storage=tmp_path / "storage", split_size=200_000, **places) as driver:  # type: ignore[arg-type]
        result = driver.run(sort_records(), tmp_path / "in", tmp_path / "out", 4)
    check_sorted(result, records)
