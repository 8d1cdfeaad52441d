"""A job takes away what it put anywhere, and nothing else."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event
from driver.events import JobEnded
from mapreduce import Job, MapReduceError, Reducer, TaskError
from mapreduce.seal import Seal
from tests.acceptance import jobs
from tests.acceptance.conftest import contents


class Failing(Reducer[Any, Any, Any, Any]):
    """Fails at the end, when it has yielded everything."""

    def reduce(self, key: Any, values: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
        yield key, sum(values)

    def finish(self) -> Iterator[tuple[Any, Any]]:
        raise ValueError("on purpose")


class Interrupt:
    """Raises KeyboardInterrupt at the n-th event."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, event: Event) -> None:
        self.left -= 1
        if self.left == 0 and not isinstance(event, JobEnded):
            raise KeyboardInterrupt


def run(storage: Path, job: Any, text: Path, output: Path | None = None, **settings: Any) -> Any:
    driver = Driver(executor="inline", workers=2, split_size=1000, retries=1, storage=storage, **settings)
    return driver.run(job, text, output, partitions=2)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where output goes."""
    return tmp_path / "out"


def with_files(text: Path) -> list[Job[Any, Any, Any, Any, Any]]:
    """A chain whose first job has a side file, which lies beside the input."""
    path = text.with_name("stop.txt")
    path.write_text("1 2 3")
    return [jobs.without(str(path)), *jobs.chain[1:]]


def test_success(storage: Path, text: Path, output: Path) -> None:
    """A job that has succeeded leaves its output alone."""
    run(storage, with_files(text), text, output)
    assert list(storage.iterdir()) == []
    assert all(name.startswith("part-") or name == "_SUCCESS" for name in contents(output))
    assert [path for path in output.iterdir() if path.is_dir()] == []


def test_result_in_the_storage(storage: Path, text: Path) -> None:
    """A result without an output folder leaves its own pairs, and these until it is closed."""
    result = run(storage, jobs.chain, text)
    assert set(contents(storage)) == set(result.parts)
    assert len(list(result)) > 1
    result.close()
    assert list(storage.iterdir()) == []


def test_failure(storage: Path, text: Path, output: Path) -> None:
    """A job that has failed leaves nothing, whatever its tasks had written already."""
    for place in (None, output):
        with pytest.raises(TaskError):
            run(storage, Job(mapper=jobs.Words(), reducer=Failing()), text, place)
        assert list(storage.iterdir()) == []
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("to_folder", [True, False])
def test_interrupt_anywhere(storage: Path, text: Path, output: Path, *, to_folder: bool) -> None:
    """A job that is interrupted leaves nothing, at whatever moment that was."""
    number, result = 0, None
    while result is None:
        number += 1
        try:
            result = run(storage, with_files(text), text, output if to_folder else None, callbacks=[Interrupt(number)])
        except KeyboardInterrupt:
            assert list(storage.iterdir()) == []
            assert not output.exists() or list(output.iterdir()) == []
    assert number > 20


def test_refusals(storage: Path, text: Path, output: Path) -> None:
    """A job that is refused leaves nothing."""
    output.mkdir()
    (output / "mine").touch()
    for job, inputs, place in (
        (jobs.words, text.parent / "nothing", None),
        (jobs.words, text, output),
        (jobs.words, text, text.parent),
        (jobs.without(str(text.parent / "nothing")), text, None),
        (Job(mapper=jobs.Words(), partitioner=functools.partial(divmod, threading.Lock())), text, None),
    ):
        with pytest.raises(MapReduceError):
            run(storage, job, inputs, place)
    assert not storage.exists() or list(storage.iterdir()) == []
    assert set(contents(output)) == {"mine"}


def test_shuffle_elsewhere(storage: Path, text: Path, tmp_path: Path) -> None:
    """A shuffle store of its own is left as empty as the storage."""
    run(storage, jobs.words, text, shuffle=tmp_path / "shuffle").close()
    assert list((tmp_path / "shuffle").iterdir()) == list(storage.iterdir()) == []


def test_strangers_stay(storage: Path, text: Path) -> None:
    """What others have put into the storage stays, also where it looks like ours."""
    strange = {"notes": b"1", "jobs/another/job.json": b"2", "jobs/another/shuffle/0/00000.0": b"3"}
    for name, data in strange.items():
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).write_bytes(data)
    run(storage, jobs.words, text).close()
    assert contents(storage) == strange


def test_input_is_unchanged(storage: Path, text: Path) -> None:
    """A job changes neither its input nor its side files."""

    def state(path: Path) -> tuple[bytes, int, int]:
        return path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino

    job = with_files(text)
    before = [state(path) for path in (text, text.with_name("stop.txt"))]
    run(storage, job, text).close()
    assert [state(path) for path in (text, text.with_name("stop.txt"))] == before


def test_keep(storage: Path, text: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With keep_intermediates everything stays to be looked at, and tells nobody the job's secret."""
    secret = b"s3cret!!" * 4
    monkeypatch.setattr(Seal, "fresh", classmethod(lambda cls: cls(secret)))
    result = run(storage, with_files(text), text, output, keep_intermediates=True)
    kept = contents(storage)
    folder = f"jobs/{result.job}"
    tasks = result.rounds[0].tasks
    names = [name.removeprefix(f"{folder}/") for name in kept]
    for number in range(5):
        assert f"rounds/{number}/plan.0" in names
        assert f"rounds/{number}/done/00000" in names
    assert len([name for name in names if name.startswith("shuffle/0/")]) == tasks > 5
    assert len([name for name in names if name.startswith("code/")]) == 3
    assert len([name for name in names if name.startswith("files/")]) == 1
    description = json.loads(kept[f"{folder}/job.json"])
    assert (description["job"], description["files"], description["splits"]) == (result.job, 1, tasks)
    assert description["output"] == str(output)
    assert "Without" in description["jobs"][0]
    for data in kept.values():
        assert secret not in data
        assert secret.hex().encode() not in data


def test_keep_after_failure(storage: Path, text: Path) -> None:
    """Also of a job that failed, with the reasons of its attempts."""
    with pytest.raises(TaskError) as caught:
        run(storage, Job(mapper=jobs.Words(), reducer=Failing()), text, keep_intermediates=True)
    found = [name.rpartition("/")[2] for name in contents(storage) if "/failed/" in name]
    assert f"{caught.value.task:05d}.1" in found
