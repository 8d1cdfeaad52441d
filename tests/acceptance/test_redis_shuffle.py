"""Jobs whose shuffle is Redis give what they give with a folder."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event, Settings
from driver.cleaning import find_abandoned, remove
from driver.events import RoundEnded
from driver.notebook import notebooks
from mapreduce import TaskError
from tests.acceptance.conftest import contents
from tests.acceptance.jobs import words_plain
from tests.services import redis_servers
from tests.services.redis_servers import PASSWORD, USER, Keys, RedisServer

pytestmark = pytest.mark.process


@pytest.fixture
def keys() -> Keys:
    """What lies in the server that anybody may use: nothing."""
    return Keys([redis_servers.standalone().client()]).flush()


@pytest.fixture
def small() -> Iterator[RedisServer]:
    """A server that is full when it has taken 300 KB."""
    server = RedisServer("--maxmemory-policy", "noeviction")
    with server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)
    yield server
    server.kill()


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """A file of 100,000 words, hardly one like the other."""
    chance = random.Random(5)
    path = tmp_path / "numbers.txt"
    path.write_text("".join(f"{chance.randrange(10**12)} {chance.randrange(10**12)}\n" for _ in range(50_000)))
    return path


def run(given: Path, output: Path, **settings: Any) -> dict[str, bytes]:
    """The output of a job, run in this process."""
    with Driver(executor="inline", storage=output.with_name("storage"), **settings) as driver:
        driver.run(words_plain, given, output, partitions=3)
    return contents(output)


def test_it_gives_the_same(keys: Keys, text: Path, tmp_path: Path) -> None:
    """The same output, byte for byte; and nothing is left in Redis or in the storage."""
    expected = run(text, tmp_path / "folder", split_size=1_000)
    found = run(text, tmp_path / "redis", split_size=1_000, shuffle=redis_servers.standalone().url)
    assert found == expected
    assert len(found) == 4
    assert keys.names() == set()
    assert contents(tmp_path / "storage") == {}


def test_lost_keys_are_made_again(keys: Keys, text: Path, tmp_path: Path) -> None:
    """Map tasks whose data was lost, and no others, run once more."""
    rounds: list[RoundEnded] = []

    def lose(event: Event) -> None:
        if isinstance(event, RoundEnded):
            rounds.append(event)
            if len(rounds) == 1:
                for task in (1, 4):
                    for name in keys.names():
                        if f"/0000{task}.0/" in name:
                            keys.client(name).delete(name)

    with Driver(
        executor="inline",
        storage=tmp_path / "storage",
        split_size=1_000,
        shuffle=redis_servers.standalone().url,
        callbacks=[lose],
    ) as driver:
        result = driver.run(words_plain, text, tmp_path / "redis", partitions=3)
    assert contents(tmp_path / "redis") == run(text, tmp_path / "folder", split_size=1_000)
    assert result.rounds[0].attempts == result.rounds[0].tasks + 2
    assert keys.names() == set()


@pytest.mark.slow
def test_a_node_that_is_lost(text: Path, tmp_path: Path) -> None:
    """When a node dies between the rounds and comes back empty, what lay there is made again, and no less comes out."""
    servers = [RedisServer() for _ in range(3)]
    lost: list[RedisServer] = []

    def lose(event: Event) -> None:
        if isinstance(event, RoundEnded) and not lost:
            lost.append(servers[1])
            servers[1].kill()
            servers[1] = RedisServer(port=servers[1].port)

    url = redis_servers.sharded_url(servers)
    try:
        with Driver(
            executor="inline", storage=tmp_path / "storage", split_size=1_000, shuffle=url, callbacks=[lose]
        ) as driver:
            result = driver.run(words_plain, text, tmp_path / "redis", partitions=3)
        assert Keys(server.client() for server in servers).names() == set()
    finally:
        for server in servers:
            server.kill()
    assert lost
    assert result.rounds[0].attempts > result.rounds[0].tasks
    assert contents(tmp_path / "redis") == run(text, tmp_path / "folder", split_size=1_000)


def test_what_does_not_fit_spills(small: RedisServer, numbers: Path, tmp_path: Path) -> None:
    """A job that is too large for Redis is done all the same, and leaves nothing anywhere."""
    expected = run(numbers, tmp_path / "folder", split_size=200_000)
    assert run(numbers, tmp_path / "redis", split_size=200_000, shuffle=small.url) == expected
    assert Keys([small.client()]).names() == set()
    assert contents(tmp_path / "storage") == {}


def test_or_the_job_fails(small: RedisServer, numbers: Path, tmp_path: Path) -> None:
    """The error says what to do."""
    with pytest.raises(TaskError, match=r"StoreError: Redis is full: .*full=spill"):
        run(numbers, tmp_path / "redis", split_size=200_000, shuffle=f"{small.url}?full=fail")
    assert Keys([small.client()]).names() == set()


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_passwords_are_written_nowhere(text: Path, tmp_path: Path, executor: str) -> None:
    """A job may be given them in the URL; no event, no setting and no file has them."""
    events: list[Event] = []
    url = redis_servers.tls_url().replace("://", f"://{USER}:{PASSWORD}@")
    keep: Callable[[Event], None] = events.append
    with Driver(
        executor=executor,
        workers=2,
        storage=tmp_path / "storage",
        shuffle=url,
        keep_intermediates=True,
        callbacks=[keep],
    ) as driver:
        result = driver.run(words_plain, text, tmp_path / "redis", partitions=3)
        shown = f"{driver!r} {driver.settings!r} {result!r} {events!r}"
    assert contents(tmp_path / "redis") == run(text, tmp_path / "folder")
    assert PASSWORD not in shown
    files = contents(tmp_path / "storage")
    assert len(files) > 5
    assert not [name for name, data in files.items() if PASSWORD.encode() in data]
    with redis_servers.secured().client() as client:
        client.flushall()


def test_resume_and_clean(keys: Keys, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose driver is gone is finished by another, or removed: by names, since Redis is never searched."""

    class Stop(BaseException):
        """Ends a driver."""

    def stop(event: Event) -> None:
        if isinstance(event, RoundEnded):
            raise Stop

    def lose_driver(name: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("driver.run.JobRun._end", lambda run, problem: run._means.notebook.close())
            with pytest.raises(Stop):
                run(text, tmp_path / name, **settings, callbacks=[stop])

    settings: dict[str, Any] = {"split_size": 1_000, "shuffle": redis_servers.standalone().url}
    state = tmp_path / "state"
    settings["state"] = state
    expected = run(text, tmp_path / "folder", split_size=1_000)
    lose_driver("first")
    assert len(keys.names()) > 10
    [job] = notebooks(str(state))
    with Driver(executor="inline", state=state) as driver:
        assert driver.resume(job).rounds[0].attempts == 0
    assert contents(tmp_path / "first") == expected
    assert keys.names() == set()
    lose_driver("second")
    later = datetime.now(UTC) + timedelta(days=1)
    looking = Settings.load({"storage": tmp_path / "storage", "state": state}, {})
    [left] = find_abandoned(looking, 0, now=later)
    assert "cannot be listed" in left.notices[0]
    remove(left, looking)
    assert keys.names() == set()
    assert contents(tmp_path / "storage") == contents(tmp_path / "second") == {}
