"""Jobs over columns of Arrow give what plain Python gives, to every kind of reducer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driver import Driver
from mapreduce import (
    ArrowInput,
    BatchMapper,
    BatchReducer,
    Block,
    BlockReducer,
    Fold,
    Groups,
    Job,
    Mapper,
    ParquetInput,
    Reducer,
    TaskError,
)
from tests.services import s3_servers

AnyJob = Job[Any, Any, Any, Any, Any]
CITIES = ["Oslo", "Århus", "", None, "Rome", "a much longer name of a city than others have"]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """A driver in this process, whose splits are small."""
    with Driver(executor="inline", storage=tmp_path / "storage", split_size=8_000, workers=2) as found:
        yield found


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Rows of city, amount and day."""
    random = np.random.default_rng(7)
    cities = [CITIES[number] for number in random.integers(0, len(CITIES), 6_000)]
    table = pa.table({"city": cities, "amount": pa.array(random.integers(-50, 100, 6_000), pa.int16())})
    return table.append_column("day", pa.array(random.integers(0, 9_000, 6_000), pa.int32()).cast(pa.date32()))


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> tuple[dict[str, Any], ...]:
    """The same rows in Python."""
    return tuple(table.to_pylist())


@pytest.fixture
def sales(tmp_path: Path, table: pa.Table, rows: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """The rows, which are in Parquet files below the folder `in`, in row groups."""
    (tmp_path / "in").mkdir()
    pq.write_table(table.slice(0, 4_500), tmp_path / "in" / "a", row_group_size=500)
    pq.write_table(table.slice(4_500), tmp_path / "in" / "b", row_group_size=700)
    return list(rows)


def totals(rows: list[dict[str, Any]]) -> dict[Any, int]:
    """The sum of each city's amounts."""
    found: dict[Any, int] = defaultdict(int)
    for row in rows:
        found[row["city"]] += row["amount"]
    return dict(found)


class Amounts(BatchMapper[Any]):
    """Each sale's amount under its city."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        self.task.count("batches")
        yield Block(batch["city"], batch["amount"])


class Rows(BatchMapper[Any]):
    """Each sale under its city."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        yield Block(batch["city"], batch)


class PlainAmounts(Mapper[dict[str, Any], Any, int]):
    """As `Amounts`, pair by pair."""

    def map(self, row: dict[str, Any]) -> Iterator[tuple[Any, int]]:
        yield row["city"], row["amount"]


class Total(Reducer[Any, int, Any, int]):
    """Adds, pair by pair."""

    def reduce(self, key: Any, values: Iterator[int]) -> Iterator[tuple[Any, int]]:
        yield key, sum(values)


class ArrayTotal(BatchReducer):
    """Adds arrays."""

    def reduce_batch(self, groups: Groups) -> Iterator[Block]:
        assert groups.keys.type == pa.large_string()
        yield Block(groups.keys, np.add.reduceat(groups.values.to_numpy().astype(np.int64), groups.starts))


class Same(BlockReducer):
    """Records as they are."""

    def reduce_block(self, block: Block) -> Iterator[Block]:
        assert isinstance(block.keys, pa.Array)
        yield block


class All(Reducer[Any, Any, Any, Any]):
    """A key's values, as a list."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, list(values)


class Largest(Fold[Any, int, int, Any, int]):
    """The largest value."""

    def start(self, value: int) -> int:
        return value

    def add(self, total: int, value: int) -> int:
        return max(total, value)

    merge = add

    def result(self, key: Any, total: int) -> Iterator[tuple[Any, int]]:
        yield key, total


def total_of(values: Any) -> int:
    """A combiner that Arrow does not have."""
    return sum(values)


@pytest.mark.parametrize(
    ("combiner", "reducer"),
    [
        pytest.param(combiner, reducer, id=f"{name}-{kind}")
        for name, combiner, kind, reducer in (
            ("sum", sum, "pairs", Total()),
            ("sum", sum, "arrays", ArrayTotal()),
            ("none", None, "pairs", Total()),
            ("none", None, "arrays", ArrayTotal()),
            ("ufunc", np.add, "arrays", ArrayTotal()),
            ("python", total_of, "pairs", Total()),
        )
    ],
)
def test_totals(driver: Driver, tmp_path: Path, sales: Any, reducer: Any, combiner: Any) -> None:
    """Columns add up to what Python adds up, combined by Arrow, by Python or not at all."""
    reads = ParquetInput(columns=["amount", "city"])
    job: AnyJob = Job(mapper=Amounts(), combiner=combiner, reducer=reducer, input_format=reads)
    result = driver.run(job, tmp_path / "in", partitions=3)
    assert dict(result) == totals(sales)
    assert result.metrics["records_in"] == 6_000
    assert result.rounds[0].tasks > 2
    assert result.counters["batches"] == 9 + 3
    if combiner is not None:
        assert result.rounds[0].records_out < 100


@pytest.mark.process
def test_in_processes(tmp_path: Path, sales: Any) -> None:
    """Workers do it as this process does."""
    job: AnyJob = Job(mapper=Amounts(), combiner=sum, reducer=Total(), input_format="parquet")
    with Driver(storage=tmp_path / "storage", split_size=20_000) as driver:
        assert dict(driver.run(job, tmp_path / "in", partitions=3)) == totals(sales)


@pytest.mark.process
def test_on_s3(tmp_path: Path, sales: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on an object store is read by few ranges, and columns are shuffled through it."""
    server = s3_servers.seaweedfs()
    s3_servers.use(server.key, monkeypatch)
    place = s3_servers.place()
    bucket, _, prefix = place.partition("/")
    server.client().upload_file(str(tmp_path / "in" / "a"), bucket, f"{prefix}/in/a")
    reads = ParquetInput(columns=["city", "amount"])
    job: AnyJob = Job(mapper=Amounts(), combiner=sum, reducer=Total(), input_format=reads)
    places = {"shuffle": f"s3://{place}/shuffle", "endpoint_url": server.endpoint}
    with Driver(storage=tmp_path / "storage", workers=1, **places) as driver:  # type: ignore[arg-type]
        result = driver.run(job, f"s3://{place}/in/", partitions=2)
    assert dict(result) == totals(sales[:4_500])
    # The file's end, and each of its nine row groups.
    assert result.rounds[0].requests["get"] <= 3 + 9 + 2


def test_columns_and_pairs_meet(driver: Driver, tmp_path: Path, sales: Any) -> None:
    """Keys of a plain mapper go to the very parts where equal keys of columns go."""
    parts = []
    for mapper in (Amounts(), PlainAmounts()):
        job: AnyJob = Job(mapper=mapper, reducer=Total(), input_format="parquet", output_format="jsonl")
        result = driver.run(job, tmp_path / "in", tmp_path / type(mapper).__name__, 5)
        parts.append(
            [sorted((tmp_path / type(mapper).__name__ / part).read_text().split("\n")) for part in result.parts]
        )
    assert parts[0] == parts[1]
    assert len({tuple(part) for part in parts[0]}) > 2


class Mixed(Amounts):
    """Half of each batch as columns, the other half as lists."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        half = len(batch) // 2
        yield Block(batch["city"].slice(half), batch["amount"].slice(half))
        yield Block(batch["city"].slice(0, half).to_pylist(), batch["amount"].slice(0, half).to_pylist())


@pytest.mark.parametrize("combiner", [sum, None])
def test_lists_beside_columns(driver: Driver, tmp_path: Path, sales: Any, combiner: Any) -> None:
    """A plain reducer takes both, in one job."""
    job: AnyJob = Job(mapper=Mixed(), combiner=combiner, reducer=Total(), input_format="parquet")
    assert dict(driver.run(job, tmp_path / "in", partitions=3)) == totals(sales)


@pytest.mark.parametrize("reducer", [All(), Same()], ids=["pairs", "blocks"])
def test_rows(driver: Driver, tmp_path: Path, sales: Any, reducer: Any) -> None:
    """Values may be rows of many columns: a plain reducer is given dicts."""
    job: AnyJob = Job(mapper=Rows(), reducer=reducer, input_format="parquet")
    found: dict[Any, list[Any]] = defaultdict(list)
    for city, rows in driver.run(job, tmp_path / "in", partitions=3):
        found[city] += rows if isinstance(rows, list) else [rows]
    expected = defaultdict(list)
    for row in sales:
        expected[row["city"]].append(row)
    assert {city: sorted(map(str, rows)) for city, rows in found.items()} == {
        city: sorted(map(str, rows)) for city, rows in expected.items()
    }


class Days(BatchMapper[Any]):
    """Each sale's amount under its day, in text."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        yield Block(batch["day"].cast(pa.string()), batch["amount"])


@pytest.mark.parametrize("reducer", [Total(), ArrayTotal(), Same()], ids=["pairs", "arrays", "blocks"])
def test_sorted(driver: Driver, tmp_path: Path, sales: Any, reducer: Any) -> None:
    """Parts follow each other in the order of their keys, and are of about one size."""
    job: AnyJob = Job(mapper=Days(), reducer=reducer, input_format="parquet", order="sorted")
    result = driver.run(job, tmp_path / "in", tmp_path / "out", 4)
    found = list(result)
    days = [str(row["day"]) for row in sales]
    assert [key for key, _ in found] == sorted(days if isinstance(reducer, Same) else set(days))
    assert sum(value for _, value in found) == sum(row["amount"] for row in sales)
    counts = [len((tmp_path / "out" / part).read_text().splitlines()) for part in result.parts]
    assert max(counts) <= 1.5 * len(found) / 4


@pytest.mark.parametrize("mapper", [Amounts(), PlainAmounts()], ids=["columns", "pairs"])
def test_sorted_input_makes_even_parts(tmp_path: Path, mapper: Any) -> None:
    """A sample is taken of each split, though row groups begin at few places of a file; of a batch, all over it."""
    cities = [f"{number:06d}" for number in range(20_000)]
    noise = pa.array([bytes(row) for row in np.random.default_rng(0).integers(0, 256, (20_000, 200), np.uint8)])
    rows = pa.table({"city": cities, "amount": range(20_000), "noise": noise})
    pq.write_table(rows, tmp_path / "in", row_group_size=2_500)
    job: AnyJob = Job(mapper=mapper, reducer=Total(), input_format="parquet", order="sorted")
    with Driver(executor="inline", storage=tmp_path / "storage", split_size=600_000, workers=2) as driver:
        result = driver.run(job, tmp_path / "in", tmp_path / "out", 4)
    counts = [len((tmp_path / "out" / part).read_text().splitlines()) for part in result.parts]
    assert sum(counts) == 20_000
    assert max(counts) <= 1.5 * 5_000


class Keyed(BatchMapper[Any]):
    """Values under their keys."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        yield Block(batch["key"], batch["value"])


@pytest.mark.parametrize(("memory", "count"), [(220_000_000, 600_000), (1_000_000_000, 200_000)])
@pytest.mark.process
@pytest.mark.slow
def test_partitions_larger_than_memory(tmp_path: Path, memory: int, count: int) -> None:
    """What memory does not hold is sorted on disk."""
    noise = np.random.default_rng(3).integers(0, 256, (count, 100), np.uint8)
    keys, values = ([row.tobytes() for row in part] for part in (noise[:, :10], noise[:, 10:]))
    pq.write_table(pa.table({"key": keys, "value": values}), tmp_path / "in", row_group_size=50_000)
    job: AnyJob = Job(mapper=Keyed(), reducer=Same(), input_format="parquet", order="sorted")
    with Driver(storage=tmp_path / "storage", memory=memory, workers=2) as driver:
        result = driver.run(job, tmp_path / "in", partitions=2)
        assert list(result) == sorted(zip(keys, values, strict=True))
    assert (result.rounds[-1].spilled > 0) == (memory < 500_000_000)
    assert result.metrics["peak_memory"] < 1.1 * memory


def test_values_in_order(driver: Driver, tmp_path: Path, sales: Any) -> None:
    """The values of a key come in the order that the job declares."""

    class InOrder(BatchReducer):
        def reduce_batch(self, groups: Groups) -> Iterator[Block]:
            counts = np.diff(groups.starts, append=len(groups.values))
            yield Block(groups.keys.take(np.repeat(np.arange(len(counts)), counts)), groups.values)

    job: AnyJob = Job(mapper=Amounts(), reducer=InOrder(), input_format="parquet", sort_values=True)
    found = defaultdict(list)
    for city, amount in driver.run(job, tmp_path / "in", partitions=3):
        found[city].append(amount)
    for city, amounts in found.items():
        assert amounts == sorted(row["amount"] for row in sales if row["city"] == city)


class Swap(BatchMapper[Block]):
    """Keys become values, and values keys."""

    def map_batch(self, batch: Block) -> Iterator[Block]:
        assert isinstance(batch.keys, pa.Array)
        yield Block(batch.values, batch.keys)


def test_chain(driver: Driver, tmp_path: Path, sales: Any) -> None:
    """Columns pass from job to job, and to a job of plain pairs; a Fold takes them too."""
    first: AnyJob = Job(mapper=Amounts(), combiner=sum, reducer=ArrayTotal(), input_format="parquet")
    swapped: AnyJob = Job(mapper=Swap(), reducer=All())
    result = driver.run([first, swapped], tmp_path / "in", partitions=3)
    assert sorted((city, total) for total, cities in result for city in cities if city is not None) == sorted(
        (city, total) for city, total in totals(sales).items() if city is not None
    )
    maps: AnyJob = Job(mapper=Amounts(), input_format="parquet")
    assert Counter(driver.run(maps, tmp_path / "in")) == Counter((row["city"], row["amount"]) for row in sales)
    largest = dict(driver.run([maps, Job(reducer=Largest())], tmp_path / "in"))
    assert largest == dict(
        driver.run(Job(mapper=Amounts(), reducer=Largest(), input_format="parquet"), tmp_path / "in")
    )
    assert largest == {city: max(row["amount"] for row in sales if row["city"] == city) for city in totals(sales)}


def test_arrow_files(driver: Driver, tmp_path: Path, sales: Any) -> None:
    """Arrow's own files serve as well, and a plain mapper is given their rows as dicts."""
    table = pa.Table.from_pylist(sales)
    with pa.ipc.new_file(tmp_path / "file", table.schema) as writer:
        writer.write_table(table, max_chunksize=1_000)
    with pa.ipc.new_stream(tmp_path / "stream", table.schema) as writer:
        writer.write_table(table, max_chunksize=1_000)
    for name in ("file", "stream"):
        for mapper in (Amounts(), PlainAmounts()):
            job: AnyJob = Job(mapper=mapper, reducer=Total(), input_format=ArrowInput(columns=["city", "amount"]))
            assert dict(driver.run(job, tmp_path / name)) == totals(sales)


class ByDay(BatchMapper[Any]):
    """Each sale under a key that Arrow cannot hash."""

    def map_batch(self, batch: Any) -> Iterator[Block]:
        yield Block(batch["day"], batch["amount"])


def test_errors(driver: Driver, tmp_path: Path, sales: Any) -> None:
    """Keys without a hash, and columns that are not there, end the job with a sentence."""
    job: AnyJob = Job(mapper=ByDay(), reducer=Total(), input_format="parquet")
    with pytest.raises(
        TaskError, match=r"keys of Arrow's type date32\[day\] have no stable hash: cast them to strings"
    ):
        driver.run(job, tmp_path / "in")
    job = Job(mapper=Amounts(), reducer=Total(), input_format=ParquetInput(columns=["town"]))
    with pytest.raises(TaskError, match=r"a has no column 'town'; it has: city, amount, day"):
        driver.run(job, tmp_path / "in")


def examples() -> dict[str, Any]:
    """What the code in the documentation defines."""
    page = Path(__file__).parents[2] / "docs" / "batches.md"
    section = page.read_text().partition("    import duckdb")
    lines = "".join(section[1:]).partition("\n## ")[0].splitlines()
    names: dict[str, Any] = {"__name__": "documented"}
    exec("\n".join(line[4:] for line in lines if line.startswith("    ")), names)
    return names


@pytest.mark.parametrize("name", ["Sales", "SalesByPolars", "SalesByDuckDB", "SalesInText"])
def test_documented(driver: Driver, tmp_path: Path, sales: Any, name: str) -> None:
    """The examples in the documentation do what they seem to."""
    names = examples()
    rows = [row for row in sales if row["city"]]  # CSV knows no null beside ""
    table = pa.Table.from_pylist(rows)
    job: AnyJob = names["totals"]
    if name == "SalesInText":
        (tmp_path / "sales").write_text("".join(f"{row['city']},{row['amount']}\n" for row in rows))
        job = Job(mapper=names[name](), combiner=sum, reducer=names["Total"]())
    else:
        pq.write_table(table, tmp_path / "sales", row_group_size=1_000)
        job = Job(mapper=names[name](), combiner=sum, reducer=names["Total"](), input_format=job.input_format)
    assert dict(driver.run(job, tmp_path / "sales", partitions=2)) == totals(rows)
