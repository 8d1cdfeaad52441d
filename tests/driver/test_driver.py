"""A driver checks what it is given, and runs it where its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver
from mapreduce import ConfigError, Job, Mapper, Reducer


class Words(Mapper[str, str, int]):
    """Words."""

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        for word in record.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """Adds; counts the task itself."""

    def setup(self) -> None:
        self.task.count("tasks")

    def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, sum(values)


def job(**fields: Any) -> Job[str, str, int, str, int]:
    return Job(mapper=Words(), combiner=sum, reducer=Total(), **fields)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of 200 lines."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"a b{number} c\n" for number in range(200)))
    return path


def inline(text: Path, **settings: Any) -> Driver:
    return Driver(**{"executor": "inline", "workers": 2, "storage": text.parent / "storage", **settings})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (5, "takes a Job or a list of Jobs, not 5"),
        (Words(), "takes a Job or a list of Jobs, not <"),
        ([], "was given an empty list of jobs"),
        ([job(), None], "takes a Job or a list of Jobs, not None"),
    ],
)
def test_no_job(text: Path, wrong: Any, message: str) -> None:
    """What is no job is refused."""
    with pytest.raises(ConfigError, match=message):
        inline(text).run(wrong, text)


@pytest.mark.parametrize("wrong", [0, -1, "3", 1.5])
def test_partitions_argument(text: Path, wrong: Any) -> None:
    """What is no number of partitions is refused."""
    with pytest.raises(ConfigError, match="partitions must be an int of 1 or more"):
        inline(text).run(job(), text, partitions=wrong)


def test_number_of_partitions(text: Path) -> None:
    """The argument wins over the job's own number, this over the setting, this over a number by size."""

    def tasks(driver: Driver, job: Job[Any, Any, Any, Any, Any], partitions: int | None = None) -> int:
        return driver.run(job, text, partitions=partitions).counters["tasks"]

    assert tasks(inline(text, partitions=3), job(partitions=4), partitions=5) == 5
    assert tasks(inline(text, partitions=3), job(partitions=4)) == 4
    assert tasks(inline(text, partitions=3), job()) == 3
    assert tasks(inline(text, workers=7), job()) == 7


def test_output_places(text: Path) -> None:
    """An output folder may be a path, a relative one or a URL."""
    for place in (text.parent / "one", f"file://{text.parent}/two"):
        result = inline(text).run(job(), text, place)
        assert (Path(result.output).parent, result.output[-3:]) == (text.parent, str(place)[-3:])
        assert dict(result)["a"] == 200


def test_memory_storage(text: Path) -> None:
    """In this process control keys, shuffle and output can lie in memory."""
    driver = inline(text, storage="memory://driver-storage")
    assert dict(driver.run(job(), text))["c"] == 200
    result = driver.run(job(), text, "memory://driver-output")
    assert dict(result)["c"] == 200


def test_requests_do_not_grow_with_partitions(text: Path) -> None:
    """A map attempt writes as many objects for many partitions as for one."""

    def maps(partitions: int) -> tuple[int, int]:
        result = inline(text, split_size=500).run(job(), text, partitions=partitions)
        first = result.rounds[0]
        return first.tasks, first.requests["put"]

    assert maps(1) == maps(50)
    assert maps(50) == (4, 4)


def test_loaded_once_for_each_attempt(text: Path) -> None:
    """Every attempt has stages of its own: what one left behind is not there in the next."""

    class Remembers(Words):
        seen = 0

        def map(self, record: str) -> Iterator[tuple[str, int]]:
            self.seen += 1
            return iter(())

        def finish(self) -> Iterator[tuple[str, int]]:
            yield "seen", self.seen

    mapper = Remembers()
    seen = [count for _, count in inline(text, split_size=500).run(Job(mapper=mapper), text)]
    assert len(seen) == 4
    assert sum(seen) == 200
    assert mapper.seen == 0
