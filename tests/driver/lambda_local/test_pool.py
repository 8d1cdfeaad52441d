from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from driver.lambda_local import LambdaLocal
from tests.driver.lambda_local.calls import Answer, Functions, until

pytestmark = pytest.mark.process

#: Tells that it runs, and waits until it may go on.
_WAIT = """
import os, pathlib, time
folder = pathlib.Path(event["folder"])
(folder / str(os.getpid())).touch()
while not (folder / "go").exists():
    time.sleep(0.01)
answer = os.getpid()
"""


@contextmanager
def _running(functions: Functions, name: str, count: int, folder: Path) -> Iterator[list[Future[Answer]]]:
    """So many invocations that all run at once, until the end of the block."""
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(functions.call, name, _WAIT, folder=str(folder)) for _ in range(count)]
        try:
            until(lambda: len(list(folder.iterdir())) == count or any(answer.done() for answer in answers))
            yield answers
        finally:
            (folder / "go").touch()


def test_twenty_five_functions_run_at_once_each_in_its_sandbox(functions: Functions, tmp_path: Path) -> None:
    with _running(functions, functions.create(), 25, tmp_path) as answers:
        pass
    assert len({answer.result().value for answer in answers}) == 25


@pytest.mark.slow
def test_a_hundred_functions_run_at_once(tmp_path: Path) -> None:
    with LambdaLocal(concurrency=100) as service:
        functions = Functions(service)
        name = functions.create()
        with (
            _running(functions, name, 100, tmp_path) as answers,
            pytest.raises(functions.api.exceptions.TooManyRequestsException),
        ):
            functions.call(name)
        assert len({answer.result().value for answer in answers}) == 100
        pids = service.pids
    assert len(pids) == 100
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_reserved_concurrency_limits_a_function(functions: Functions, tmp_path: Path) -> None:
    name = functions.create()
    functions.api.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    with _running(functions, name, 2, tmp_path):
        with pytest.raises(functions.api.exceptions.TooManyRequestsException) as refused:
            functions.call(name)
        assert not functions.call(functions.create()).failed
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert refused.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert not functions.call(name).failed


def test_the_accounts_concurrency_limits_all_functions(tmp_path: Path) -> None:
    with LambdaLocal(concurrency=2) as service:
        functions = Functions(service)
        throttled = functions.api.exceptions.TooManyRequestsException
        with _running(functions, functions.create(), 2, tmp_path), pytest.raises(throttled) as refused:
            functions.call(functions.create())
        assert refused.value.response["Reason"] == "ConcurrentInvocationLimitExceeded"
        # Two sandboxes are warm, and there is no room for a third of another function.
        assert not functions.call(functions.create()).failed
        until(lambda: len(service.pids) == 2)


def test_a_sandbox_that_nobody_uses_ends() -> None:
    with LambdaLocal(idle=0.0) as service:
        functions = Functions(service)
        name = functions.create()
        pid = functions.call(name).value
        until(lambda: not service.pids)
        assert not psutil.pid_exists(pid)
        assert functions.call(name).value != pid
