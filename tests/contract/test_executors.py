"""The executors of this package keep the contract."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from driver.executors import Executor, open_executor
from tests.contract.executor import ExecutorContract, MakeExecutor, Reports, laid, payloads, run, until

ROOT = Path(__file__).parents[2]


def maker(name: str) -> Iterator[MakeExecutor]:
    """Makes executors of one kind; closes them, and sees that they leave no process."""
    before = set(psutil.Process().children(recursive=True))
    made: list[Executor] = []

    def make(workers: int = 2, timeout: float | None = None) -> Executor:
        made.append(open_executor(name, workers, timeout))
        return made[-1]

    yield make
    for executor in made:
        executor.close()
    assert set(psutil.Process().children(recursive=True)) <= before


def gone(pid: int) -> bool:
    """Whether a process has ended; its parent may not have noticed."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def pids(folder: Path, count: int) -> list[int]:
    """The processes that have written their ids into `folder`, when there are so many."""
    until(lambda: len(list(folder.glob("pid-*"))) == count)
    return [int(path.name[4:]) for path in folder.glob("pid-*")]


def hang(folder: Path) -> Callable[[Any], Any]:
    """Does something that never ends, with a child; both leave their ids in `folder`."""

    def do(record: Any) -> None:
        with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as child:
            for pid in (child.pid, os.getpid()):
                (folder / f"pid-{pid}").touch()
            signal.pause() if threading.current_thread() is threading.main_thread() else child.wait()

    return do


def wait(fifo: Path) -> Callable[[Any], Any]:
    """Waits for somebody to open the other end of `fifo`, and shows beside it that it does."""

    def do(record: Any) -> None:
        (fifo.parent / "waits").touch()
        with fifo.open("rb"):
            pass

    return do


class TestInline(ExecutorContract):
    """In this process."""

    @pytest.fixture
    def make(self) -> Iterator[MakeExecutor]:
        """Makes inline executors."""
        yield from maker("inline")

    def test_it_waits_for_the_driver(self, make: MakeExecutor, tmp_path: Path) -> None:
        """An attempt runs when the driver steps, in its thread, and one at a time."""
        threads: list[int] = []
        executor = make()
        job = laid(tmp_path, range(3), lambda record: threading.get_ident())
        reports = Reports(executor)
        executor.start(payloads(job), reports)
        for count in (1, 2, 3):
            assert executor.step(job.name)
            assert len(reports.ended) == count
        threads += [value for task in range(3) for _, value in job.part(0, task)]
        assert set(threads) == {threading.get_ident()}


@pytest.mark.process
class TestLocal(ExecutorContract):
    """In worker processes."""

    @pytest.fixture
    def make(self) -> Iterator[MakeExecutor]:
        """Makes local executors."""
        yield from maker("local")

    def test_as_many_at_once_as_there_are_workers(self, make: MakeExecutor, tmp_path: Path) -> None:
        """Two workers run two attempts at once, never more, in two processes that live on."""
        running = tmp_path / "running"
        running.mkdir()

        def do(record: int) -> int:
            mine = running / str(record)
            mine.touch()
            count = len(list(running.iterdir()))
            (tmp_path / f"seen-{record}").touch()
            if record < 2:  # only if both run at once does this end
                until((tmp_path / f"seen-{1 - record}").exists)
            mine.unlink()
            return count * 1_000_000_000 + os.getpid()

        executor = make(2)
        job = laid(tmp_path, range(12), do)
        assert run(executor, job) == dict.fromkeys(range(12), "")
        found = [job.part(0, task)[0][1] for task in range(12)]
        assert max(value // 1_000_000_000 for value in found) <= 2
        assert len({value % 1_000_000_000 for value in found}) == 2

    @pytest.mark.parametrize(
        ("die", "how"),
        [
            (lambda record: os._exit(7), "its worker exited with status 7 in the middle of the task"),
            (
                lambda record: os.kill(os.getpid(), signal.SIGKILL),
                "its worker was killed by SIGKILL (as the system does",
            ),
            (lambda record: os.kill(os.getpid(), signal.SIGSEGV), "its worker was killed by SIGSEGV"),
        ],
        ids=["exit", "kill", "crash"],
    )
    def test_a_worker_that_dies(self, make: MakeExecutor, tmp_path: Path, die: Callable[[Any], None], how: str) -> None:
        """An attempt whose worker ended is reported with how it ended, and a new worker takes the next."""
        executor = make(1)
        job = laid(tmp_path, range(3), lambda record: die(record) if record == 1 else record)
        ended = run(executor, job)
        assert (ended[0], ended[2]) == ("", "")
        assert ended[1].startswith(how)
        assert job.names(f"jobs/{job.name}/rounds/0/done/") == {
            f"jobs/{job.name}/rounds/0/done/{n:05d}" for n in (0, 2)
        }

    def test_a_worker_that_dies_with_children(self, make: MakeExecutor, tmp_path: Path) -> None:
        """A child of the worker, forked by user code, does not hide its death, and ends with it."""

        def do(record: Any) -> None:
            if (child := os.fork()) == 0:
                signal.pause()
            (tmp_path / f"pid-{child}").touch()
            os.kill(os.getpid(), signal.SIGKILL)

        ended = run(make(1), laid(tmp_path, ["x"], do))
        assert ended[0].startswith("its worker was killed by SIGKILL")
        [child] = pids(tmp_path, 1)
        until(lambda: gone(child))

    def test_timeout(self, make: MakeExecutor, tmp_path: Path) -> None:
        """An attempt that takes too long is ended, with what it has started; others are not."""
        executor = make(1, 1.5)
        do = hang(tmp_path)
        job = laid(tmp_path, range(3), lambda record: do(record) if record == 1 else record)
        assert run(executor, job) == {0: "", 1: "timed out after 1.5 s", 2: ""}
        for pid in pids(tmp_path, 2):
            until(lambda pid=pid: gone(pid))  # type: ignore[misc]

    def test_cancel_what_runs(self, make: MakeExecutor, tmp_path: Path) -> None:
        """Cancelling ends running attempts and their children, reports none, and leaves other jobs alone."""
        executor = make(2)
        hanging = laid(tmp_path, ["x"] * 5, hang(tmp_path))
        reports = Reports(executor)
        executor.start(payloads(hanging), reports)
        running = pids(tmp_path, 4)
        other = laid(tmp_path, range(4), abs)
        others = Reports(executor)
        executor.start(payloads(other), others)
        executor.cancel(hanging.name)
        for pid in running:
            until(lambda pid=pid: gone(pid))  # type: ignore[misc]
        assert others.wait(4) == dict.fromkeys(range(4), "")
        assert reports.ended == []
        assert len(list(tmp_path.glob("pid-*"))) == 4

    def test_cancelling_one_job_spares_the_one_beside_it(self, make: MakeExecutor, tmp_path: Path) -> None:
        """Two jobs of one task each run beside each other, and what runs of the other goes on to its end."""
        os.mkfifo(tmp_path / "go")
        executor = make(2)
        other = laid(tmp_path, [1], wait(tmp_path / "go"))
        others = Reports(executor)
        executor.start(payloads(other), others)
        until((tmp_path / "waits").exists)
        hanging = laid(tmp_path, [1], hang(tmp_path))
        executor.start(payloads(hanging), Reports(executor))
        pids(tmp_path, 2)
        executor.cancel(hanging.name)
        # Without anybody who reads, this is an error.
        os.close(os.open(tmp_path / "go", os.O_WRONLY | os.O_NONBLOCK))
        assert others.wait(1) == {0: ""}

    def test_cancelling_one_job_spares_the_next(self, make: MakeExecutor, tmp_path: Path) -> None:
        """A worker that was ended for one job's sake is not taken for dead in another's attempt."""
        executor = make(1)
        for _ in range(10):
            done = laid(tmp_path, [1], abs)
            reports = Reports(executor)
            executor.start(payloads(done), reports)
            executor.cancel(done.name)
            count = len(reports.ended)
            assert run(executor, laid(tmp_path, [1, 2], abs)) == {0: "", 1: ""}
            assert len(reports.ended) == count

    def test_close_what_runs(self, make: MakeExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A close leaves no process, no report, and nothing on the disk."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        executor = make(2)
        reports = Reports(executor)
        executor.start(payloads(laid(tmp_path, range(4), hang(tmp_path))), reports)
        running = pids(tmp_path, 4)
        assert len(list(tmp_path.glob("mapreduce-workers-*"))) == 1
        executor.close()
        for pid in running:
            until(lambda pid=pid: gone(pid))  # type: ignore[misc]
        executor.close()
        assert reports.ended == []
        assert list(tmp_path.glob("mapreduce-workers-*")) == []

    def test_a_killed_driver_leaves_nothing(self, tmp_path: Path) -> None:
        """When the driver's process is killed its workers end, with what user code has started."""
        script = """
            import sys, threading
            from pathlib import Path
            from driver.executors import open_executor
            from tests.contract.executor import laid, payloads
            from tests.contract.test_executors import hang

            folder = Path(sys.argv[1])
            executor = open_executor("local", 2, None)
            executor.start(payloads(laid(folder, range(2), hang(folder))), print)
            threading.Event().wait()
        """
        command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}) as driver:
            running = pids(tmp_path, 4)
            driver.kill()
        for pid in running:
            until(lambda pid=pid: gone(pid))  # type: ignore[misc]
        until(lambda: list(tmp_path.glob("mapreduce-workers-*")) == [])

    def test_standard_output_is_the_drivers(
        self, make: MakeExecutor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """What user code prints, and what it starts prints, does not mix with the driver's own output."""

        def do(record: Any) -> None:
            print("printed")
            subprocess.run(["echo", "echoed"], check=True)

        assert run(make(1), laid(tmp_path, ["x"], do)) == {0: ""}
        out, err = capfd.readouterr()
        assert out == ""
        assert set(err.split()) == {"printed", "echoed"}

    def test_secrets_are_not_shown(self, make: MakeExecutor, tmp_path: Path) -> None:
        """A job's secret is in no command line and no environment, where other users could read it."""

        def do(record: Any) -> tuple[list[str], dict[str, str]]:
            process = psutil.Process()
            return process.cmdline(), dict(os.environ)

        job = laid(tmp_path, ["x"], do)
        assert run(make(1), job) == {0: ""}
        assert job.seal.secret.hex() not in repr(job.part(0))
