"""Jobs give the same on every store: input, output, control keys and shuffle each where the user has them."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from driver import Driver
from driver.events import AttemptFailed, Event, RoundEnded, RoundStarted
from mapreduce import ConfigError, InputError, Job, Mapper, MapReduceError, Reducer, StoreError
from tests.services import redis_servers, s3_servers
from tests.services.s3_servers import BUCKET, S3Server, use

pytestmark = [pytest.mark.process, pytest.mark.slow]

_numbers = itertools.count()


class Words(Mapper[str, str, int]):
    """Words; the first attempt of a task may end its process."""

    def __init__(self, dies: int = -1) -> None:
        self.dies = dies

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    def finish(self) -> Iterator[tuple[str, int]]:
        if self.task.index == self.dies and self.task.attempt == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from ()


class Total(Reducer[str, int, str, int]):
    """A word's count."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


def job(dies: int = -1) -> Job[str, str, int, str, int]:
    return Job(mapper=Words(dies), combiner=sum, reducer=Total())


class Places:
    """Where the parts of a job lie, on S3 or in folders."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.server = server
        self.client = server.client()
        self._prefix = f"acceptance-{os.getpid()}-{next(_numbers)}"
        self._folder = folder

    def url(self, kind: str, name: str) -> str:
        """The folder or the prefix for a part."""
        return f"s3://{BUCKET}/{self._prefix}/{name}" if kind == "s3" else str(self._folder / name)

    def put(self, kind: str, name: str, data: bytes) -> None:
        """Lay a file of the input."""
        if kind == "s3":
            self.client.put_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}", Body=data)
        else:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def names(self) -> set[str]:
        """All objects and files there are."""
        found = {
            one["Key"].removeprefix(f"{self._prefix}/")
            for one in self.client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self._prefix}/").get("Contents", ())
        }
        return found | {path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file()}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """Places on a real S3 server and in a folder; the environment has the server's credentials; no worker is left."""
    server = s3_servers.seaweedfs()
    redis_servers.standalone()
    use(server.key, monkeypatch)
    before = set(psutil.Process().children(recursive=True))
    yield Places(server, tmp_path)
    assert set(psutil.Process().children(recursive=True)) <= before


TEXT = {f"in/{number}.txt": "".join(f"w{n % 13} w{n % (number + 5)} é{n}\n" for n in range(300)) for number in range(3)}
EXPECTED = Counter(word for text in TEXT.values() for word in text.split())


@pytest.mark.parametrize(
    ("input_at", "output_at", "storage_at", "shuffle_at"),
    [
        ("s3", "s3", "s3", "s3"),
        ("s3", "s3", "s3", "redis"),
        ("s3", "folder", "folder", "s3"),
        ("folder", "s3", "folder", "redis"),
        ("folder", "s3", "s3", "folder"),
        ("s3", "folder", "s3", "folder"),
        ("folder", "folder", "folder", "redis"),
    ],
)
def test_every_mix(places: Places, input_at: str, output_at: str, storage_at: str, shuffle_at: str) -> None:
    """The parts may lie on S3, in folders and in Redis in any mixture; of a job only its output is left."""
    for name, text in TEXT.items():
        places.put(input_at, name, text.encode())
    before = places.names()
    redis = redis_servers.standalone()
    shuffle = redis.url if shuffle_at == "redis" else places.url(shuffle_at, "shuffle")
    settings: dict[str, Any] = {
        "endpoint_url": places.server.endpoint,
        "storage": places.url(storage_at, "storage"),
        "shuffle": shuffle,
        "split_size": 2_000,
        "workers": 2,
    }
    with Driver(**settings) as driver:
        result = driver.run(job(), places.url(input_at, "in"), places.url(output_at, "out"), partitions=3)
        assert dict(result) == EXPECTED
        assert places.names() - before == {f"out/part-0000{number}" for number in range(3)} | {"out/_SUCCESS"}
        with pytest.raises(MapReduceError, match="not empty"):
            driver.run(job(), places.url(input_at, "in"), places.url(output_at, "out"))
    assert result.rounds[0].tasks > 3


@pytest.mark.parametrize("shuffle_at", ["s3", "redis"])
def test_workers_that_die(places: Places, shuffle_at: str) -> None:
    """A worker that is killed behind its last record costs an attempt, and nothing else."""
    for name, text in TEXT.items():
        places.put("s3", name, text.encode())
    events: list[Event] = []
    shuffle = redis_servers.standalone().url if shuffle_at == "redis" else places.url("s3", "shuffle")
    with Driver(
        endpoint_url=places.server.endpoint,
        storage=places.url("s3", "storage"),
        shuffle=shuffle,
        workers=2,
        callbacks=[events.append],
    ) as driver:
        result = driver.run(job(dies=1), places.url("s3", "in"), places.url("s3", "out"))
        assert dict(result) == EXPECTED
    [failed] = [event.reason for event in events if isinstance(event, AttemptFailed)]
    assert failed.startswith("its worker was killed by SIGKILL")


class Losing:
    """Removes what a map task wrote to the shuffle when its round has ended, once."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.lost = ""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, RoundEnded) and event.round == 0 and not self.lost:
            [self.lost, *_] = sorted(name for name in self._places.names() if "/shuffle/0/" in name)
            key = self._places.url("s3", self.lost).partition(f"{BUCKET}/")[2]
            self._places.client.delete_object(Bucket=BUCKET, Key=key)


def test_lost_shuffle_objects_are_made_again(places: Places) -> None:
    """An object that is gone from the bucket is noticed, and its map task runs again."""
    for name, text in TEXT.items():
        places.put("folder", name, text.encode())
    losing = Losing(places)
    rounds: list[Event] = []
    with Driver(
        endpoint_url=places.server.endpoint,
        storage=places.url("folder", "storage"),
        shuffle=places.url("s3", "shuffle"),
        split_size=2_000,
        workers=2,
        callbacks=[losing, rounds.append],
    ) as driver:
        with driver.run(job(), places.url("folder", "in")) as result:
            assert dict(result) == EXPECTED
        assert result.rounds[0].attempts == result.rounds[0].tasks + 1
    assert losing.lost


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"storage": f"s3://{BUCKET}-absent/x"}, StoreError, "NoSuchBucket.*make the bucket"),
        ({"shuffle": f"s3://{BUCKET}-absent/x"}, StoreError, "NoSuchBucket.*make the bucket"),
        ({"storage": f"s3://{BUCKET}/x", "endpoint_url": "http://127.0.0.1:9"}, StoreError, "setting endpoint_url"),
        ({"storage": f"s3://{BUCKET}/x", "profile": "absent"}, ConfigError, "profile: .*absent"),
        ({"storage": "s3:///x"}, ConfigError, "names no bucket"),
        ({"shuffle": "redis://127.0.0.1:9"}, StoreError, "127.0.0.1:9"),
        ({"inputs": f"s3://{BUCKET}-absent/in"}, InputError, "NoSuchBucket"),
        ({"inputs": f"s3://{BUCKET}/absent/in"}, InputError, "matches no object"),
        ({"output": f"s3://{BUCKET}-absent/out"}, MapReduceError, "NoSuchBucket"),
    ],
    ids=[
        *("storage-bucket", "shuffle-bucket", "endpoint", "profile", "no-bucket", "redis", "input-bucket"),
        *("input-prefix", "output-bucket"),
    ],
)
def test_stores_that_cannot_be_used(
    places: Places, settings: dict[str, str], error: type[Exception], message: str
) -> None:
    """What cannot work is told before any task starts, with the setting or the place that is wrong; nothing stays."""
    places.put("folder", "in/a.txt", b"a b\n")
    before = places.names()
    events: list[Event] = []
    inputs = settings.pop("inputs", places.url("folder", "in"))
    output = settings.pop("output", None)
    given: dict[str, Any] = {
        "endpoint_url": places.server.endpoint,
        "storage": places.url("folder", "storage"),
        **settings,
    }
    with pytest.raises(error, match=message) as caught, Driver(callbacks=[events.append], **given) as driver:
        driver.run(job(), inputs, output)
    assert not any(isinstance(event, RoundStarted) for event in events)
    assert places.names() == before
    assert places.server.key.secret not in str(caught.value)


def test_wrong_secret(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret access key that is wrong is told as such, and not shown."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret")
    places.put("folder", "in/a.txt", b"a b\n")
    driver = Driver(endpoint_url=places.server.endpoint, storage=places.url("s3", "storage"))
    with pytest.raises(StoreError, match="secret access key is wrong") as caught:
        driver.run(job(), places.url("folder", "in"))
    assert "a-wrong-secret" not in str(caught.value)
