"""A job outlives its laptop's troubles: a network that is lost for a while, credentials that expire midway."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event
from driver.events import AttemptFailed, StorageLost, StorageReached, TaskEnded
from driver.patience import Patience
from mapreduce import Job, Mapper, Reducer, UnreachableStore
from mapreduce.objectstore import open_store
from mapreduce.objectstore.access import Access
from tests.services.http_proxy import Fault, Proxy, Request, refuse, reset
from tests.services.s3_servers import BUCKET, Key, S3Server, ministack, use

pytestmark = [pytest.mark.process, pytest.mark.slow]

ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
TEXT = "".join(f"a{n % 5} b{n % 3}\n" for n in range(40))
_numbers = itertools.count()


class Words(Mapper[str, str, int]):
    """Words."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1


class Total(Reducer[str, int, str, int]):
    """Adds."""

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class Bench:
    """Runs a job on S3, through a proxy that may do as if it were not there."""

    def __init__(self, folder: Path, server: S3Server, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.root = f"s3://{BUCKET}/lost-storage-{os.getpid()}-{next(_numbers)}"
        self.text = folder / "in.txt"
        self.text.write_text(TEXT)
        self.events: list[Event] = []

    def run(self, callback: Any, **settings: Any) -> None:
        """Run the job, and compare what it gives."""
        callbacks = [callback, self.events.append]
        given = {"workers": 2, "split_size": 40, "retries": 0, "endpoint_url": self.proxy.endpoint, **settings}
        with Driver(storage=f"{self.root}/storage", callbacks=callbacks, **given) as driver:
            result = driver.run(Job(mapper=Words(), reducer=Total()), self.text, f"{self.root}/out", partitions=3)
            assert dict(result) == Counter(TEXT.split())
        direct = open_store(self.root, access=Access(endpoint_url=self.server.endpoint))
        left = [info.key for info in direct.list("")]
        assert left == ["out/_SUCCESS", "out/part-00000", "out/part-00001", "out/part-00002"]

    def told(self) -> list[type[Event]]:
        """What the user has been told of the storage, in order."""
        return [type(event) for event in self.events if isinstance(event, StorageLost | StorageReached)]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Runs jobs; nobody waits in earnest."""
    server = ministack()
    use(server.key, monkeypatch)
    monkeypatch.setattr("driver.means.Patience", lambda *arguments: Patience(*arguments, sleep=lambda seconds: None))
    with Proxy(server.endpoint) as proxy:
        yield Bench(tmp_path, server, proxy)


class Outage:
    """The network is gone, for so many requests from the n-th on."""

    def __init__(self, first: int, count: int) -> None:
        self._span = range(first, first + count)
        self.seen = -1

    def __call__(self, request: Request) -> Fault | None:
        self.seen += 1
        return reset if self.seen in self._span else None


def test_network(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in the job the network is lost, driver and attempts go on when it is back."""
    monkeypatch.setattr("mapreduce.objectstore.s3.clients.RETRIES", 0)
    counting = Outage(0, 0)
    started: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, TaskEnded) and not started:
            started.append(counting.seen)

    bench.proxy.script = counting
    bench.run(note, executor="inline")
    assert bench.told() == []
    # From the first commit to the last part, which is behind as many requests as are left but for the clearing.
    lost = 0
    for first in range(started[0], counting.seen - 12, 9):
        bench.root = f"{bench.root.rpartition('/')[0]}/lost-storage-{os.getpid()}-{next(_numbers)}"
        bench.events.clear()
        bench.proxy.script = Outage(first, 7)
        bench.run(lambda event: None, executor="inline")
        lost += StorageLost in bench.told()
        assert len(bench.told()) % 2 == 0
        assert all("UnreachableStore" in one.reason for one in bench.events if isinstance(one, AttemptFailed))
    assert lost > 3


def test_patience_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that stays lost ends the run, not the job: it is resumed when the network is back."""
    monkeypatch.setattr("mapreduce.objectstore.s3.clients.RETRIES", 0)

    def unplug(event: Event) -> None:
        if isinstance(event, TaskEnded) and (event.round, event.done) == (1, 1):
            bench.proxy.script = lambda request: reset

    with pytest.raises(UnreachableStore):
        bench.run(unplug, executor="inline", patience=3)
    bench.proxy.script = lambda request: None
    job = bench.events[-1].job
    with Driver(endpoint_url=bench.proxy.endpoint, workers=2) as driver:
        result = driver.resume(job)
        assert dict(result) == Counter(TEXT.split())
        assert result.rounds[0].attempts == 0
        assert result.rounds[1].attempts <= 2


def test_credentials(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials expire while worker processes are at work: the user is told, renews them, and the job goes on."""
    old = bench.server.user(f"yesterday-{next(_numbers)}", ALLOW)
    file = tmp_path / "credentials"

    def write(key: Key) -> None:
        file.write_text(f"[mine]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n")

    write(old)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    expired = refuse(400, "ExpiredToken")

    def judge(request: Request) -> Fault | None:
        return expired if any(old.id in value for _, value in request.headers) else None

    def react(event: Event) -> None:
        if isinstance(event, TaskEnded) and event.done == 2:
            bench.proxy.script = judge
        if isinstance(event, StorageLost):
            assert "ExpiredToken" in event.reason
            assert "renew the credentials" in event.reason
            write(bench.server.key)

    bench.run(react, profile="mine")
    assert bench.told() == [StorageLost, StorageReached]
    secrets = [old.secret, bench.server.key.secret]
    assert not any(secret in repr(bench.events) for secret in secrets)
