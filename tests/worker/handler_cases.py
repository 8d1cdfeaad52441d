"""What a function's sandbox does with the driver's events, each test in a sandbox of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mapreduce import __version__
from mapreduce.objectstore import open_store
from tests.contract.executor import laid
from tests.worker.build import Laid
from worker import handler
from worker.budget import resident_bytes
from worker.handler import AttemptLost
from worker.layout import cancelled_key, failed_key, started_key
from worker.veil import KEY, veil

pytestmark = pytest.mark.process


class Invocation:
    """The service's context of an invocation with so many seconds left."""

    aws_request_id = "request-1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f"

    def __init__(self, seconds: float = 60) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._end - time.monotonic()))


def sleep() -> bool:
    time.sleep(100)
    return False


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[handler._Sandbox]:
    """A new sandbox of 512 MB, beside what the process of the tests has, from which its worker is forked."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", str(512 + (resident_bytes() >> 20)))
    monkeypatch.setenv(KEY, "the key")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = handler._Sandbox()
    monkeypatch.setattr(handler, "_sandbox", made)
    yield made
    made.end()


def run(job: Laid, task: int = 0, seconds: float = 60, timeout: float | None = None, **changed: Any) -> Any:
    """What the handler returns for an attempt."""
    payload = json.loads(job.payload("map", task, **changed).to_json())
    payload["secret"] = veil(job.seal.secret, "the key")
    event = {"version": __version__, "driver": "d1", "attempt": payload, "timeout": timeout}
    return handler.handle(event, Invocation(seconds))


def test_an_attempt_commits(tmp_path: Path) -> None:
    """An attempt runs in another process than the handler's, and tells who ran it by its start key."""
    job = laid(tmp_path, [1], lambda record: os.getpid())
    answer = run(job)
    assert (answer["outcome"], answer["version"]) == ("committed", __version__)
    assert job.part(0)[0][1] != os.getpid()
    key = started_key(job.name, 0, 0, 0)
    claim = json.loads(job.seal.unwrap(key, job.storage.get(key)))
    assert (claim["request"], claim["sandbox"], claim["cold"]) == ("request-1", answer["sandbox"], True)


def test_what_it_tells_of_itself(sandbox: handler._Sandbox) -> None:
    """Who may invoke the function learns what it is, and its key."""
    told = handler.handle({"describe": "yourself"}, Invocation())
    memory = (int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) - 16) << 20  # but for what the runtime needs
    assert (told["version"], told["key"], told["memory"]) == (__version__, "the key", memory)
    assert 59 < told["remaining"] <= 60


def test_the_key_is_the_handlers(tmp_path: Path) -> None:
    """User code does not find the key in its environment, and no other answer has it."""
    job = laid(tmp_path, [0], lambda record: dict(os.environ))
    answer = run(job)
    assert answer["outcome"] == "committed"
    assert "the key" not in repr(answer)
    assert "the key" not in job.part(0)[0][1].values()


def test_a_secret_for_another_function(tmp_path: Path) -> None:
    """An event whose secret was hidden under another key is refused, with what has happened."""
    job = laid(tmp_path, [0], abs)
    payload = {**json.loads(job.payload("map", 0).to_json()), "secret": veil(job.seal.secret, "another")}
    with pytest.raises(ValueError, match="it was deployed anew"):
        handler.handle({"attempt": payload}, Invocation())


def test_the_log_tells_whose_lines_follow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Before what an attempt prints stands which attempt it is."""
    job = laid(tmp_path, [0], lambda record: print("printed"))
    run(job, attempt=3)
    told = "".join(capfd.readouterr())
    assert told.splitlines() == [f"mapreduce {job.name}/0/00000.3 start", "printed"]


def test_a_delivery_that_comes_twice(tmp_path: Path) -> None:
    """Of two deliveries of one event one runs; a further attempt runs as well."""
    ran = tmp_path / "ran"
    job = laid(tmp_path, ["x"], lambda record: ran.open("a").write(record))
    assert [run(job)["outcome"], run(job)["outcome"]] == ["committed", "duplicate"]
    assert ran.read_text() == "x"
    assert run(job, attempt=1)["outcome"] == "superseded"
    assert ran.read_text() == "xx"


@pytest.mark.parametrize(
    ("die", "kind", "reason"),
    [
        (lambda record: os._exit(7), "", "its worker exited with status 7 in the middle of the task"),
        (lambda record: os.kill(os.getpid(), signal.SIGSEGV), "", "its worker was killed by SIGSEGV"),
        (lambda record: os.kill(os.getpid(), signal.SIGKILL), "", "its worker was killed by SIGKILL (as the system"),
        (lambda record: [bytearray(10_000_000) for _ in range(10_000)], "out of memory", "MiB, and may have "),
        (lambda record: bytearray(1 << 50), "out of memory", ""),
    ],
    ids=["exit", "crash", "kill", "memory", "MemoryError"],
)
def test_an_attempt_that_ends_its_process(tmp_path: Path, die: Callable[[Any], Any], kind: str, reason: str) -> None:
    """How a worker ended is written down, and the sandbox runs the next attempt."""
    job = laid(tmp_path, [0, 1], lambda record: record or die(record))
    assert run(job, 0)["outcome"] == "failed"
    failure = job.failure(0, 0)
    assert failure.kind == kind
    assert reason in failure.reason
    assert run(job, 1)["outcome"] == "committed"


@pytest.mark.slow
def test_time_runs_out(tmp_path: Path) -> None:
    """An attempt is interrupted before its function's deadline, and tells where it was; the sandbox goes on."""
    job = laid(tmp_path, [0, 1], lambda record: record or sleep())
    assert run(job, 0, seconds=2)["outcome"] == "failed"
    failure = job.failure(0, 0)
    assert failure.kind == "timed out"
    assert failure.record == "0"
    assert failure.where.endswith("in sleep")
    assert run(job, 1)["outcome"] == "committed"


def test_the_setting_timeout(tmp_path: Path) -> None:
    """An attempt has no more time than the driver gives it."""
    job = laid(tmp_path, [0], lambda record: sleep())
    assert run(job, timeout=0.2)["outcome"] == "failed"
    assert job.failure(0).reason.startswith("it had taken 0.2 s")


@pytest.mark.slow
def test_time_runs_out_where_nothing_can_be_interrupted(tmp_path: Path) -> None:
    """Code that ignores the interruption is killed in time for somebody to write that down."""

    def stubborn(record: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(100)

    job = laid(tmp_path, [0], stubborn)
    answer = run(job, seconds=2)
    assert (answer["outcome"], job.failure(0).kind) == ("failed", "timed out")
    assert answer["remaining"] > 0


def test_a_cancelled_job_is_not_begun(tmp_path: Path) -> None:
    """An attempt whose job is cancelled leaves nothing."""
    job = laid(tmp_path, [0], lambda record: (tmp_path / "ran").touch())
    before = job.names()
    job.storage.put(cancelled_key(job.name, "d1"), b"")
    assert run(job)["outcome"] == "cancelled"
    assert job.names() == before | {cancelled_key(job.name, "d1")}
    assert not (tmp_path / "ran").exists()


def test_another_drivers_attempts(tmp_path: Path) -> None:
    """An attempt of a driver that goes on with a job does not end with those that the one before gave up."""
    job = laid(tmp_path, [0], abs)
    job.storage.put(cancelled_key(job.name, "d0"), b"")
    assert run(job)["outcome"] == "committed"


@pytest.mark.slow
def test_a_job_that_is_cancelled_meanwhile(tmp_path: Path) -> None:
    """An attempt that runs when its job is cancelled ends soon, and is written down."""
    storage = str(tmp_path / "storage")

    def cancel_and_wait(key: str) -> None:
        open_store(storage).put(key, b"")
        time.sleep(100)

    name = "cancelled-meanwhile"
    job = laid(tmp_path, [cancelled_key(name, "d1")], cancel_and_wait, name=name)
    assert run(job)["outcome"] == "failed"
    assert job.failure(0).kind == "cancelled"


def test_what_cannot_be_written_down(tmp_path: Path) -> None:
    """An attempt that cannot even write its failure fails the invocation with the reason."""
    job = laid(tmp_path, [0], abs)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AttemptLost, match="StoreError: cannot write"):
        run(job, storage=(tmp_path / "file").as_uri())


def test_jobs_leave_nothing_to_each_other(tmp_path: Path, sandbox: handler._Sandbox) -> None:
    """Modules, environment, working folder, open files and threads of a job are not the next job's."""

    def spoil(record: Any) -> None:
        import builtins
        import sys
        import threading

        os.environ["SPOILT"] = "yes"
        os.chdir("/")
        sys.modules["json"] = None  # type: ignore[assignment]
        builtins.spoilt = True  # type: ignore[attr-defined]
        threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
        os.open(os.devnull, os.O_RDONLY)

    def look(record: Any) -> Any:
        import builtins
        import sys
        import threading

        files = len(os.listdir("/proc/self/fd"))
        names = [thread.name for thread in threading.enumerate()]
        return (
            os.environ.get("SPOILT"),
            os.getcwd(),
            sys.modules["json"] is None,
            hasattr(builtins, "spoilt"),
            len(names),
            files,
        )

    first, spoiling, last = laid(tmp_path, [0], look), laid(tmp_path, [0], spoil), laid(tmp_path, [0], look)
    for job in (first, spoiling, last):
        assert run(job)["outcome"] == "committed", job.failure(0)
    assert first.part(0) == last.part(0)
    assert last.part(0)[0][1][:4] == (None, os.getcwd(), False, False)


def test_a_warm_sandbox(tmp_path: Path, sandbox: handler._Sandbox) -> None:
    """Attempts of one job share a process; a sandbox that was warmed has one before they come."""
    job = laid(tmp_path, [0, 1], lambda record: os.getpid())
    assert handler.handle({"warm": 0, "job": job.name}, Invocation())["outcome"] == "warm"
    assert sandbox._child is not None
    warmed = sandbox._child.pid
    for task in (0, 1):
        assert run(job, task)["outcome"] == "committed"
        assert job.part(0, task)[0][1] == warmed
    other = laid(tmp_path, [0], lambda record: os.getpid())
    run(other)
    assert other.part(0)[0][1] != warmed


def test_a_process_that_ends_between_attempts(tmp_path: Path) -> None:
    """What an attempt left behind may end its process: the next attempt gets a new one."""

    def end() -> None:
        while not (tmp_path / "end").exists():
            time.sleep(0.01)
        os._exit(3)

    def leave(record: Any) -> int:
        import threading

        threading.Thread(target=end, daemon=True).start()
        return os.getpid()

    job = laid(tmp_path, [0, 1], lambda record: (record and os.getpid()) or leave(record))
    run(job, 0)
    (tmp_path / "end").touch()
    gone = job.part(0, 0)[0][1]
    os.waitid(os.P_PID, gone, os.WEXITED | os.WNOWAIT)
    assert run(job, 1)["outcome"] == "committed", job.failure(0, 1)


def test_a_process_that_has_hardly_begun(
    sandbox: handler._Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A child can be ended as soon as it exists, however slowly it begins."""
    parent, setpgid = os.getpid(), os.setpgid

    def slowly(pid: int, group: int) -> None:
        if os.getpid() != parent:
            (tmp_path / "slow").touch()
            time.sleep(1000)
        setpgid(pid, group)

    monkeypatch.setattr(os, "setpgid", slowly)
    handler.handle({"describe": "yourself"}, Invocation())
    assert sandbox._child is not None
    pid = sandbox._child.pid
    with _patience() as waiting:
        while not (tmp_path / "slow").exists():
            waiting()
    sandbox.end()
    assert not Path(f"/proc/{pid}").exists()


def test_files_of_ended_processes(tmp_path: Path, sandbox: handler._Sandbox) -> None:
    """A sandbox keeps nothing on its disk of jobs before."""
    for _ in range(3):
        run(laid(tmp_path, [0], lambda record: os.getpid()))
    [home] = tmp_path.glob("mapreduce-worker-*")
    assert len(list(home.iterdir())) <= 1


@pytest.mark.parametrize("event", [{}, {"Records": []}, {"attempt": {}, "version": "0.0.0"}])
def test_other_events(event: dict[str, Any]) -> None:
    """What is no event of a driver of this version is refused, with what to do."""
    with pytest.raises(ValueError, match=r"no event of mapreduce|run `mapreduce deploy` again"):
        handler.handle(event, Invocation())


def test_a_killed_sandbox_leaves_no_process(tmp_path: Path) -> None:
    """The child ends with its sandbox, and so does what user code has started."""

    def do(record: Any) -> None:
        import subprocess

        with subprocess.Popen(["sleep", "100"]) as process:
            (tmp_path / f"pid-{process.pid}").touch()
            (tmp_path / f"pid-{os.getpid()}").touch()

    job = laid(tmp_path, [0], do)
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run, args=(job,))
    process.start()
    with _patience() as waiting:
        while len(list(tmp_path.glob("pid-*"))) < 2:
            waiting()
        process.kill()
        process.join()
        for path in tmp_path.glob("pid-*"):
            while Path(f"/proc/{path.name[4:]}").exists():
                waiting()


@contextmanager
def _patience(seconds: float = 30) -> Iterator[Callable[[], None]]:
    deadline = time.monotonic() + seconds

    def waiting() -> None:
        assert time.monotonic() < deadline
        os.sched_yield()

    yield waiting


def test_failure_key_is_the_layouts(tmp_path: Path) -> None:
    """A death is written under the attempt's own name."""
    job = laid(tmp_path, [0], lambda record: os._exit(1))
    run(job, attempt=4)
    assert failed_key(job.name, 0, 0, 4) in job.names()
