"""Every job gives what a few lines of plain Python give, wherever and in whatever pieces it runs."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard

from driver import Driver
from mapreduce import Job
from tests.acceptance import jobs

AnyJob = Job[Any, Any, Any, Any, Any]
#: Pairs and counters out of the lines of the files.
Oracle = Callable[[dict[str, list[str]]], tuple[list[tuple[Any, Any]], dict[str, int]]]

VOCABULARY = ["a", "bee", "sea", "dee", "été", "eff", "gee", "日本", "x" * 30, "zed"]


def lines() -> dict[str, list[str]]:
    """Three files of words; one has no line, another no last line end."""
    chance = random.Random(1)
    found = {
        name: [" ".join(chance.choices(VOCABULARY, k=chance.randrange(6))) for _ in range(count)]
        for name, count in (("a.txt", 20), ("b.txt", 0), ("c.txt", 12))
    }
    found["c.txt"].append("a last line without an end")
    return found


def texts(files: dict[str, list[str]]) -> dict[str, bytes]:
    found = {name: "".join(f"{line}\n" for line in held).encode() for name, held in files.items()}
    found["c.txt"] = found["c.txt"][:-1]
    return found


def all_words(files: dict[str, list[str]]) -> list[str]:
    return [word for held in files.values() for line in held for word in line.split()]


def count_words(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts = Counter(all_words(files))
    return list(counts.items()), {"lines": sum(map(len, files.values())), "keys": len(counts)}


def count_folded(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    pairs, counters = count_words(files)
    return pairs, {"lines": counters["lines"]}


def count_compressed(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts = Counter(4 * all_words(files))
    return list(counts.items()), {"lines": 4 * sum(map(len, files.values())), "keys": len(counts)}


def by_letter(files: dict[str, list[str]]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for word in all_words(files):
        found[word[0]].append(len(word))
    return found


def means(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    return [(letter, sum(found) / len(found)) for letter, found in by_letter(files).items()], {}


def longest(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    return [(letter, max(found)) for letter, found in by_letter(files).items()], {}


def index(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    names = {
        word: [name for name in sorted(files) if word in " ".join(files[name]).split()] for word in all_words(files)
    }
    return [(word, ",".join(found)) for word, found in names.items()], {}


def odd_keys(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts: Counter[Any] = Counter()
    for held in files.values():
        for line in held:
            for number, _ in enumerate(line.split()):
                counts.update([number, float(number), number == 1, None, (number, "a"), (number, "a"), str(number)])
    return list(counts.items()), {"keys": len(counts)}


def map_only(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    return [(line.upper(), len(line)) for held in files.values() for line in held], {}


def reduce_only(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    values = defaultdict(set)
    for held in files.values():
        for line in held:
            key, _, value = line.partition(" ")
            values[key].add(value)
    return [(key, len(found)) for key, found in values.items()], {}


def chain(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counted, counters = count_words(files)
    first: dict[int, str] = {}
    for word, count in counted:
        first[count] = min(word, first.get(count, word))
    return [(f"{word}!", count) for count, word in first.items()], counters


def hold_back(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts = Counter(all_words(files))
    return [(word, count) for word, count in counts.items() if count > 3], {"held back": len(counts)}


def without(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts = Counter(all_words(files))
    stopped = {f"stopped: {word}": counts.pop(word) for word in ("bee", "sea")}
    return list(counts.items()), {"keys": len(counts), **stopped}


def records() -> list[dict[str, Any]]:
    chance = random.Random(2)
    return [
        {"name": chance.choice(["plain", 'quo"ted', "two\nlines", "com,ma", ""]), "size": number}
        for number in range(40)
    ]


def sizes(files: dict[str, list[str]]) -> tuple[list[tuple[Any, Any]], dict[str, int]]:
    counts: Counter[str] = Counter()
    for record in records():
        counts[record["name"]] += record["size"]
    return list(counts.items()), {"keys": len(counts)}


def as_json(files: dict[str, list[str]]) -> dict[str, bytes]:
    return {"a.jsonl": "".join(f"{json.dumps(record)}\n\n" for record in records()).encode()}


def as_csv(files: dict[str, list[str]]) -> dict[str, bytes]:
    found = io.StringIO(newline="")
    writer = csv.DictWriter(found, ["name", "size"])
    writer.writeheader()
    writer.writerows(records())
    return {"a.csv": found.getvalue().encode()}


def compressed(files: dict[str, list[str]]) -> dict[str, bytes]:
    squeeze: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": zstandard.ZstdCompressor().compress,
    }
    return {f"{name}.{end}": pack(data) for name, data in texts(files).items() for end, pack in squeeze.items()}


def tabbed(files: dict[str, list[str]]) -> dict[str, bytes]:
    return texts({name: [line.replace(" ", "\t", 1) for line in held] for name, held in files.items()})


@dataclass(frozen=True)
class Case:
    """A job, its input, and what it should give."""

    job: AnyJob | Sequence[AnyJob] | Callable[[str], AnyJob]
    oracle: Oracle
    encode: Callable[[dict[str, list[str]]], dict[str, bytes]] = texts


CASES = {
    "combiner": Case(jobs.words, count_words),
    "no combiner": Case(jobs.words_plain, count_words),
    "FoldBy": Case(jobs.words_folded, count_folded),
    "Fold": Case(jobs.means, means),
    "max": Case(jobs.longest, longest),
    "inverted index": Case(jobs.index, index),
    "odd keys": Case(jobs.odd_keys, odd_keys),
    "map only": Case(jobs.map_only, map_only),
    "reduce only": Case(jobs.reduce_only, reduce_only, tabbed),
    "chain": Case(jobs.chain, chain),
    "partitioner": Case(jobs.partitioned, count_words),
    "hold back": Case(jobs.hold_back, hold_back),
    "side file": Case(jobs.without, without),
    "JSON lines": Case(jobs.json_records, sizes, as_json),
    "CSV": Case(jobs.csv_records, sizes, as_csv),
    "compressed": Case(jobs.words, count_compressed, compressed),
}


@pytest.fixture(scope="module", params=[30, "64MB"], ids=["small splits", "large splits"])
def drivers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Driver]]:
    """A driver of this process and one of others, with the same splits."""
    storage = tmp_path_factory.mktemp("storage")
    settings: dict[str, Any] = {"workers": 2, "split_size": request.param, "storage": storage}
    with Driver(executor="inline", **settings) as inline, Driver(**settings) as local:
        yield [inline, local]
    assert list(storage.iterdir()) == []


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_SUCCESS"}


@pytest.mark.process
@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_job(name: str, partitions: int, drivers: list[Driver], tmp_path: Path) -> None:
    """The pairs and counters are those of the oracle, and part files do not depend on where the job ran."""
    case, files = CASES[name], lines()
    (tmp_path / "stop.txt").write_text("bee sea")
    job: Any = case.job(str(tmp_path / "stop.txt")) if case.job is jobs.without else case.job
    for key, data in case.encode(files).items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / key).write_bytes(data)
    pairs, counters = case.oracle(files)
    written = []
    for driver in drivers:
        with driver.run(job, tmp_path / "in", partitions=partitions) as result:
            assert Counter(result) == Counter(pairs)
            assert result.counters == counters
        folder = tmp_path / driver.settings.executor
        result = driver.run(job, tmp_path / "in", folder, partitions)
        assert (result.counters, result.metrics["records_out"]) == (counters, len(pairs))
        written.append(parts(folder))
    assert written[0] == written[1]
    if result.rounds[-1].kind == "reduce":
        assert len(written[0]) == partitions
