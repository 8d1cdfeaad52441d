"""Whole jobs on AWS Lambda: a Lambda service with real sandboxes, a real S3 server, real Redis."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from driver import Driver, Event
from driver.events import AttemptFailed
from driver.lambda_local import Fault
from mapreduce import ConfigError, Job, Mapper, TaskError
from tests.acceptance.conftest import CLI, Python, contents
from tests.acceptance.jobs import words_plain
from tests.driver.wheels import required, wheel
from tests.services.functions import NAME, Functions, functions
from tests.services.redis_servers import RedisServer
from tests.services.s3_servers import BUCKET, ministack, place, use

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def service() -> Iterator[Functions]:
    """One service for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        server = ministack()
        use(server.root, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        with functions(server) as made:
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", made.service.url)
            yield made


@pytest.fixture(autouse=True)
def no_faults(service: Functions) -> Iterator[None]:
    """A service without faults, before and after."""
    yield
    service.service.faults.clear()


@pytest.fixture
def root() -> str:
    """A URL below which nothing is yet."""
    return f"s3://{place()}"


@pytest.fixture
def given(root: str, text: Path) -> str:
    """The text, as an object."""
    ministack().client().upload_file(str(text), BUCKET, f"{root.removeprefix(f's3://{BUCKET}/')}/in/text.txt")
    return f"{root}/in/"


def keys(url: str) -> list[str]:
    """The key of every object below a URL, from there on."""
    prefix = url.removeprefix(f"s3://{BUCKET}/") + "/"
    listing = ministack().client().list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return [info["Key"][len(prefix) :] for info in listing]


def found(url: str) -> dict[str, bytes]:
    """Every object below a URL, but for the marker's content, which names the job."""
    client = ministack().client()
    prefix = url.removeprefix(f"s3://{BUCKET}/") + "/"
    objects = {name: client.get_object(Bucket=BUCKET, Key=prefix + name)["Body"].read() for name in keys(url)}
    return objects | ({"_SUCCESS": b""} if "_SUCCESS" in objects else {})


def here(text: Path, output: Path) -> dict[str, bytes]:
    """The output of the job, run in this process."""
    with Driver(executor="inline", storage=output.with_name("storage"), split_size=2_000) as driver:
        driver.run(words_plain, text, output, partitions=3)
    return contents(output)


def there(given: str, root: str, **settings: Any) -> dict[str, bytes]:
    """The output of the job, run on Lambda."""
    with Driver(executor="lambda", storage=f"{root}/scratch", split_size=2_000, **settings) as driver:
        driver.run(words_plain, given, f"{root}/out", partitions=3)
    return found(f"{root}/out")


@pytest.mark.parametrize("invoke", ["event", "request"])
def test_it_gives_the_same(service: Functions, text: Path, given: str, root: str, tmp_path: Path, invoke: str) -> None:
    """The same output as here, byte for byte, and nothing is left in the storage."""
    assert there(given, root, invoke=invoke, workers=4) == here(text, tmp_path / "out")
    assert found(f"{root}/scratch") == {}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_shuffle_through_redis(
    service: Functions, text: Path, given: str, root: str, tmp_path: Path, *, tls: bool
) -> None:
    """Workers find the password of Redis by its reference; it is in no event, and in no variable of the function."""
    seen: list[bytes] = []

    def note(event: Any) -> bool:
        seen.append(repr(event).encode())
        return False

    service.service.faults.add(Fault(do="throttle", when=note))
    server = RedisServer(password="open sesame", tls=tls)
    try:
        ministack().client("ssm", ministack().root).put_parameter(
            Name="/mapreduce/redis", Value="open sesame", Type="SecureString", Overwrite=True
        )
        settings = {"shuffle": server.tls_url if tls else server.url, "redis_secret": "ssm:/mapreduce/redis"}
        assert there(given, root, workers=4, **settings) == here(text, tmp_path / "out")
        assert server.client().dbsize() == 0
        assert server.client().info("commandstats")["cmdstat_set"]["calls"] > 0
    finally:
        server.kill()
    assert seen
    assert not any(b"sesame" in event for event in seen)
    assert "sesame" not in repr(service.client.get_function_configuration(FunctionName=NAME))


def of_task(task: int) -> Callable[[Any], bool]:
    """Tells the events of a task from others."""
    return lambda event: "attempt" in event and bool(event["attempt"]["attempt"][2] == task)


def test_faults_change_nothing(service: Functions, text: Path, given: str, root: str, tmp_path: Path) -> None:
    """Sandboxes that are killed, events that come twice or late, refusals: the output is the same."""
    service.service.faults.add(
        Fault(do="kill", point="start", times=3, when=of_task(1)),
        Fault(do="kill", point="response", times=2, when=of_task(2)),
        Fault(do="duplicate", times=0, when=of_task(0)),
        Fault(do="throttle", times=3),
        Fault(do="delay", until=2, when=of_task(2)),
    )
    failures: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, AttemptFailed):
            failures.append(event.reason)

    assert there(given, root, workers=4, retries=5, callbacks=[note]) == here(text, tmp_path / "out")
    assert any("its sandbox was killed" in reason for reason in failures), failures


class Hungry(Mapper[str, str, int]):
    """Takes more memory than there is."""

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        held = [bytearray(4_000_000) for _ in range(1000)]
        yield record, len(held)


class Idle(Mapper[str, str, int]):
    """Takes more time than there is."""

    def map(self, record: str) -> Iterator[tuple[str, int]]:
        time.sleep(100)
        yield record, 1


@pytest.mark.parametrize(
    ("mapper", "settings", "reason"),
    [(Hungry(), {}, "out of memory: its process had"), (Idle(), {"timeout": 3}, "timed out: it had taken 3 s")],
    ids=["memory", "time"],
)
def test_the_error_says_what_it_was(
    service: Functions, given: str, root: str, mapper: Any, settings: dict[str, Any], reason: str
) -> None:
    """A job whose task fails in all its attempts ends with why, and leaves nothing."""
    with (
        Driver(executor="lambda", storage=f"{root}/scratch", retries=1, **settings) as driver,
        pytest.raises(TaskError, match=reason),
    ):
        driver.run(Job(mapper=mapper), given)
    assert found(f"{root}/scratch") == {}


class Greets(Mapper[str, str, str]):
    """Yields what a library of a bundle says."""

    def map(self, record: str) -> Iterator[tuple[str, str]]:
        import greeting_of_tests  # type: ignore[import-not-found]  # it is in the bundle alone

        yield greeting_of_tests.TEXT, greeting_of_tests.__file__


def test_libraries_come_along(
    service: Functions, given: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function has what a job requires, from a bundle that is uploaded once; a job without has none of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel(tmp_path / "wheels", "greeting_of_tests", "1.0", "TEXT = 'hello'\n")
    lines = required(tmp_path / "wheels", "greeting-of-tests")
    places: list[str] = []
    with Driver(executor="lambda", storage=f"{root}/scratch", workers=2, requirements=lines) as driver:
        for _ in range(2):
            with driver.run(Job(mapper=Greets()), given) as result:
                pairs = list(result)
            assert {said for said, _ in pairs} == {"hello"}
            places += {where for _, where in pairs}
            assert len(found(f"{root}/scratch")) == 2
    [[key, data], [sign, _]] = sorted(found(f"{root}/scratch").items())
    assert key == f"bundles/{hashlib.sha256(data).hexdigest()}"
    assert sign == f"{key}.used"
    assert len(set(places)) <= 4  # a sandbox each
    with (
        Driver(executor="lambda", storage=f"{root}/scratch", workers=2, retries=0) as driver,
        pytest.raises(TaskError, match="No module named 'greeting_of_tests'"),
    ):
        driver.run(Job(mapper=Greets()), given)


class Measures(Mapper[str, int, int]):
    """The size of what a library has beside it, and the memory that the process had at most."""

    def map(self, record: str) -> Iterator[tuple[int, int]]:
        import resource
        from pathlib import Path

        import heavy_of_tests  # type: ignore[import-not-found]  # it is in the bundle alone

        data = Path(heavy_of_tests.__file__).with_suffix(".bin")
        yield data.stat().st_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_large_libraries(
    service: Functions, given: str, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries that do not compress, of more than functions hold, reach them through /tmp, and not their memory."""
    size = 260_000_000
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel(tmp_path / "wheels", "heavy_of_tests", "1.0", "", data=os.urandom(size))
    lines = required(tmp_path / "wheels", "heavy-of-tests")
    service.create(memory=256, tmp=1024)
    try:
        with (
            Driver(executor="lambda", storage=f"{root}/scratch", workers=1, requirements=lines) as driver,
            driver.run(Job(mapper=Measures()), given) as result,
        ):
            found = set(result)
    finally:
        service.create()
    assert {measured for measured, _ in found} == {size}
    assert max(peak for _, peak in found) < 150_000_000


def test_places_of_this_machine(service: Functions, given: str, text: Path, root: str, tmp_path: Path) -> None:
    """Inputs, outputs and stores on this machine are refused before anything is started."""
    with Driver(executor="lambda", storage=f"{root}/scratch") as driver:
        for inputs, output in ((str(text), None), (given, str(tmp_path / "out"))):
            with pytest.raises(ConfigError, match=r"cannot reach .* which is on this machine"):
                driver.run(words_plain, inputs, output)
    with pytest.raises(ConfigError, match=r"shuffle: functions on AWS Lambda cannot reach"):
        Driver(executor="lambda", storage=f"{root}/scratch", shuffle=tmp_path)
    with pytest.raises(ConfigError, match=r"storage: functions on AWS Lambda cannot reach"):
        Driver(executor="lambda", storage=tmp_path)
    with pytest.raises(ConfigError, match=r"storage: it is not given, and no stack mapreduce tells of one"):
        Driver(executor="lambda")
    with pytest.raises(ConfigError, match=r"redis_password: a password is not sent to AWS Lambda"):
        Driver(executor="lambda", storage=f"{root}/scratch", shuffle="redis://:sesame@host")


# Four lines make four tasks, of which the last waits for as long as there is a file "block".
WAITING = """
    import os, pathlib, threading
    from mapreduce import FoldBy, Job, Mapper

    class Words(Mapper):
        def map(self, line):
            here = pathlib.Path(FOLDER)
            with (here / "ran").open("a") as file:
                file.write(f"{self.task.index}\\n")
            if self.task.index == 3 and (here / "block").exists():
                threading.Event().wait()
            for word in line.split():
                yield word, 1

    job = Job(mapper=Words(), reducer=FoldBy(lambda one, other: one + other))
"""


def test_resume(service: Functions, python: Python, root: str) -> None:
    """A job whose driver was killed is brought to its end; what functions had committed does not run again."""
    python.write({"my_job.py": WAITING.replace("FOLDER", repr(str(python.folder)))})
    block, ran = python.folder / "block", python.folder / "ran"
    block.touch()
    key = f"{root.removeprefix(f's3://{BUCKET}/')}/in.txt"
    ministack().client().put_object(Bucket=BUCKET, Key=key, Body=b"a b\nc a\na c\nd d\n")
    where = ("--storage", f"{root}/scratch", "--output", f"{root}/out", "--partitions", "2")
    options = ("--executor", "lambda", "--workers", "4", "--split-size", "4")
    process = python.start(*CLI, "run", "my_job.py", f"{root}/in.txt", *where, *options)
    try:
        until(lambda: sum("/rounds/0/done/" in name for name in keys(f"{root}/scratch")) == 3, process)
        until(lambda: "3" in ran.read_text().split(), process)
    finally:
        process.kill()
        process.communicate(timeout=60)
    [job] = {name.split("/")[1] for name in found(f"{root}/scratch")}
    block.unlink()
    code, _, errors = python.run(*CLI, "resume", job)
    assert code == 0, errors
    lines = b"".join(data for name, data in found(f"{root}/out").items() if "part" in name).decode().splitlines()
    assert dict(line.split("\t") for line in lines) == {"a": "3", "b": "1", "c": "2", "d": "2"}
    assert sorted(ran.read_text().split()) == ["0", "1", "2", "3", "3"]
    assert found(f"{root}/scratch") == {}


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a condition holds, while a process runs."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        pause.wait(0.05)
