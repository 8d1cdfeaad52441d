"""A job is data that says what is to be done, and refuses what cannot be."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from mapreduce import (
    ConfigError,
    CsvInput,
    FoldBy,
    HashPartitioner,
    Job,
    JsonLinesOutput,
    Mapper,
    PickleOutput,
    Reducer,
    TextInput,
    TextOutput,
)


class Words(Mapper[str, str, int]):
    """A mapper that is equal to others of its kind."""

    def map(self, line: str) -> list[tuple[str, int]]:
        return [(word, 1) for word in line.split()]

    def __eq__(self, other: object) -> bool:
        return type(other) is Words

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Words()"


class Total(Reducer[str, int, str, int]):
    """A reducer."""

    def reduce(self, word: str, counts: Any) -> list[tuple[str, int]]:
        return [(word, sum(counts))]


def refused(**settings: Any) -> str:
    """The message by which a job of these settings is refused."""
    with pytest.raises(ConfigError) as caught:
        Job(**settings)
    return str(caught.value)


def test_defaults() -> None:
    """A job needs one stage, and has formats, a partitioner and a title."""
    job = Job(mapper=Words())
    assert job.input_format == TextInput()
    assert job.output_format == TextOutput()
    assert job.partitioner == HashPartitioner()
    assert (job.reducer, job.combiner, job.partitions, job.files) == (None, None, None, {})
    assert job.title == "Words"


@pytest.mark.parametrize(
    ("settings", "title"),
    [
        ({"reducer": Total()}, "Total"),
        ({"mapper": Words(), "reducer": Total()}, "Words-Total"),
        ({"mapper": Words(), "reducer": FoldBy(max)}, "Words-FoldBy"),
        ({"mapper": Words(), "name": "count"}, "count"),
    ],
    ids=["reducer", "both", "fold", "named"],
)
def test_titles(settings: dict[str, Any], title: str) -> None:
    """The title is the name, or else the stages."""
    assert Job(**settings).title == title


def test_formats_by_name_or_instance() -> None:
    """Formats go by name, or as instances with settings."""
    job = Job(mapper=Words(), input_format="csv", output_format="jsonl")
    assert job.input_format == CsvInput()
    assert job.output_format == JsonLinesOutput()
    job = Job(mapper=Words(), input_format=CsvInput(header=False), output_format=PickleOutput())
    assert job.input_format == CsvInput(header=False)
    assert job.output_format == PickleOutput()


def test_files() -> None:
    """Side files are known by their base names, or by the names of a mapping."""
    assert Job(mapper=Words(), files=["a/stop.txt", Path("b/model.bin")]).files == {
        "stop.txt": "a/stop.txt",
        "model.bin": "b/model.bin",
    }
    assert Job(mapper=Words(), files={"stop": Path("a/stop.txt")}).files == {"stop": "a/stop.txt"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a Job needs a mapper, a reducer, or both"),
        ({"mapper": Words}, "mapper must be an instance: write mapper=Words(), with its parameters"),
        ({"mapper": len}, "mapper must be a Mapper or a BatchMapper, not <built-in function len>"),
        ({"mapper": Total()}, "mapper must be a Mapper or a BatchMapper, not <"),
        ({"reducer": Total}, "reducer must be an instance: write reducer=Total(), with its parameters"),
        ({"reducer": FoldBy}, "reducer must be an instance: write reducer=FoldBy(), with its parameters"),
        (
            {"reducer": sum},
            "reducer must be a Reducer or a Fold or a BatchReducer or a BlockReducer, not <built-in function sum>",
        ),
        ({"reducer": Total(), "combiner": 5}, "combiner must be a function of the values, not 5"),
        ({"mapper": Words(), "combiner": sum}, "a combiner without a reducer does nothing; leave it out"),
        ({"reducer": FoldBy(max), "combiner": max}, "a Fold combines by itself; leave the combiner out"),
        ({"mapper": Words(), "partitioner": "hash"}, "partitioner must be a function (key, partitions) -> int, not 'h"),
        ({"mapper": Words(), "partitions": 0}, "partitions must be an int of 1 or more, not 0"),
        ({"mapper": Words(), "partitions": -2}, "partitions must be an int of 1 or more, not -2"),
        ({"mapper": Words(), "partitions": 2.0}, "partitions must be an int of 1 or more, not 2.0"),
        ({"mapper": Words(), "partitions": "8"}, "partitions must be an int of 1 or more, not '8'"),
        (
            {"mapper": Words(), "input_format": "tex"},
            "input_format: 'tex' is none of arrow, csv, jsonl, pairs, parquet",
        ),
        (
            {"mapper": Words(), "input_format": None},
            "input_format: None is none of arrow, csv, jsonl, pairs, parquet",
        ),
        (
            {"mapper": Words(), "input_format": ["text"]},
            "input_format: ['text'] is none of arrow, csv, jsonl, pairs, parquet",
        ),
        ({"mapper": Words(), "input_format": TextOutput()}, "input_format: TextOutput() is none of arrow, csv"),
        (
            {"mapper": Words(), "output_format": "csv"},
            "output_format: 'csv' is none of fixed, jsonl, pickle, text, nor an O",
        ),
        (
            {"mapper": Words(), "output_format": {}},
            "output_format: {} is none of fixed, jsonl, pickle, text, nor an Output",
        ),
        (
            {"mapper": Words(), "files": "stop.txt"},
            "files must be a list of paths or a mapping from names to paths, not 'stop",
        ),
        (
            {"mapper": Words(), "files": Path("a")},
            "files must be a list of paths or a mapping from names to paths, not PosixP",
        ),
        ({"mapper": Words(), "files": ["a/x", "b/x"]}, "files: two side files have one name; give them names with a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    """What cannot work is refused at once, by a sentence that names the setting."""
    assert refused(**settings).startswith(message)


def test_frozen_and_keywords_only() -> None:
    """A job does not change, and its settings are said by name."""
    job = Job(mapper=Words())
    with pytest.raises(dataclasses.FrozenInstanceError):
        job.partitions = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Job(Words())  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="partition_count"):
        Job(mapper=Words(), partition_count=4)  # type: ignore[call-arg]


def test_equality_and_repr() -> None:
    """Jobs of equal settings are equal, and show them."""
    job = Job(mapper=Words(), reducer=FoldBy(max), partitions=4, input_format="csv", files=["a/b"])
    assert job == dataclasses.replace(job, input_format=CsvInput(), files={"b": "a/b"})
    assert job != dataclasses.replace(job, partitions=5)
    assert job != dataclasses.replace(job, input_format="text")
    assert job != dataclasses.replace(job, output_format="pickle")
    text = repr(job)
    assert text.startswith("Job(mapper=Words(), combiner=None, reducer=<")
    for part in ("HashPartitioner()", "partitions=4", "CsvInput(header=True", "TextOutput()", "{'b': 'a/b'}"):
        assert part in text


@pytest.mark.parametrize("output_format", ["text", "jsonl", "pickle"])
def test_travels(output_format: str) -> None:
    """A job can be pickled, whatever its formats."""
    job = Job(mapper=Words(), output_format=output_format, input_format="jsonl", partitions=3, files=["x"], name="n")
    assert pickle.loads(pickle.dumps(job)) == job
    both = Job(mapper=Words(), reducer=Total(), combiner=max, output_format=output_format)
    assert type(pickle.loads(pickle.dumps(both)).reducer) is Total
