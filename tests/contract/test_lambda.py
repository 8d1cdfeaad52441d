"""The executor on AWS Lambda keeps the contract, on a Lambda service with real sandboxes and a real S3 server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from driver.executors import Executor
from driver.executors.lambda_ import LambdaExecutor
from driver.executors.lambda_.service import Service
from driver.lambda_local import Fault
from mapreduce.errors import ConfigError, JobError
from mapreduce.objectstore import open_store
from tests.contract.executor import ExecutorContract, MakeExecutor, Reports, laid, payloads, run, until
from tests.services.functions import FUNCTION_KEY, NAME, Functions, functions
from tests.services.s3_servers import BUCKET, ministack, place, use
from worker.layout import cancelled_key, out_key, started_key
from worker.veil import KEY, unveil

pytestmark = [pytest.mark.process, pytest.mark.slow]


def killing(task: int) -> Fault:
    """Kills the sandbox of a task when it says so."""
    return Fault(
        do="kill", point="now kill me", when=lambda event: "attempt" in event and event["attempt"]["attempt"][2] == task
    )


def die(record: Any) -> Any:
    """Say so."""
    print("now kill me", flush=True)
    time.sleep(60)


@pytest.fixture(scope="module")
def service() -> Iterator[Functions]:
    """One service for all tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        server = ministack()
        use(server.key, monkeypatch)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        with functions(server) as made:
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", made.service.url)
            yield made


class LambdaContract(ExecutorContract):
    """The contract, and what ends attempts there."""

    invoke: Literal["event", "request"]

    @pytest.fixture(autouse=True)
    def function(self, service: Functions) -> Iterator[Functions]:
        """The function as it is made by default, without faults."""
        yield service
        service.service.faults.clear()

    @pytest.fixture
    def make(self, service: Functions) -> Iterator[MakeExecutor]:
        made: list[Executor] = []

        def make(workers: int = 2, timeout: float | None = None) -> Executor:
            executor = LambdaExecutor(workers, timeout, Service(NAME), invoke=self.invoke, pace=0.2)
            made.append(executor)
            return executor

        yield make
        for executor in made:
            executor.close()

    @pytest.fixture
    def where(self) -> str:
        return f"s3://{place()}"

    def test_what_is_printed_is_for_people(  # type: ignore[override]  # by pytest alone
        self, make: MakeExecutor, where: str
    ) -> None:
        """What user code prints disturbs nothing; it goes to the function's log."""
        job = laid(where, range(3), lambda record: print("\0\0\0\1printed" * 1000))
        assert run(make(2), job) == dict.fromkeys(range(3), "")

    def test_a_sandbox_that_is_killed(self, make: MakeExecutor, where: str, service: Functions) -> None:
        """An attempt whose sandbox dies is reported with how; the others run."""
        service.service.faults.add(killing(1))

        job = laid(where, range(3), lambda record: die(record) if record == 1 else record)
        ended = run(make(2), job)
        assert (ended[0], ended[2]) == ("", "")
        assert ended[1].startswith("its sandbox was killed")

    def test_an_answer_that_is_lost(self, make: MakeExecutor, where: str, service: Functions) -> None:
        """A sandbox that dies when all is done changes nothing: the commit record is there."""
        service.service.faults.add(Fault(do="kill", point="response", payload={"attempt": {"kind": "map"}}))
        job = laid(where, range(2), abs)
        run(make(1), job)
        assert [job.part(0, task) for task in range(2)] == [[(0, 0)], [(1, 1)]]

    @pytest.mark.parametrize("fault", ["throttle", "error"])
    def test_a_service_that_refuses(
        self, make: MakeExecutor, where: str, service: Functions, fault: Literal["throttle", "error"]
    ) -> None:
        """What the service does not take now it is asked again."""
        service.service.faults.add(Fault(do=fault, times=4))
        job = laid(where, range(4), abs)
        assert run(make(4), job) == dict.fromkeys(range(4), "")

    def test_memory_runs_out(self, make: MakeExecutor, where: str) -> None:
        """An attempt that takes more than the function's memory fails for that; the next ones run."""
        job = laid(where, range(4), lambda record: [bytearray(4_000_000) for _ in range(1000)] if record == 1 else 0)
        assert run(make(1), job) == dict.fromkeys(range(4), "")
        assert job.failure(0, 1).kind == "out of memory"
        assert job.part(0, 3) == [(3, 0)]

    def test_time_runs_out(self, make: MakeExecutor, where: str, service: Functions) -> None:
        """An attempt that would take longer than the function may fails for that, and tells where it was."""

        def hang(record: int) -> None:
            if record == 1:
                time.sleep(60)

        service.create(timeout=4)
        try:
            job = laid(where, range(3), hang)
            assert run(make(3), job) == dict.fromkeys(range(3), "")
        finally:
            service.create()
        failure = job.failure(0, 1)
        assert (failure.kind, failure.record) == ("timed out", "1")
        assert failure.where.endswith("in hang")

    def test_cancel_what_runs(self, make: MakeExecutor, where: str, tmp_path: Path) -> None:
        """Attempts of a cancelled job end where they run, and are not reported; those of other jobs go on."""

        def hang(record: Any) -> None:
            (tmp_path / f"pid-{os.getpid()}").touch()
            time.sleep(60)

        executor = make(4)
        reports = Reports(executor)
        hanging = laid(where, range(2), hang)
        executor.start(payloads(hanging), reports)
        until(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        executor.cancel(hanging.name)
        for path in tmp_path.glob("pid-*"):
            assert not Path(f"/proc/{path.name[4:]}").exists()
        assert reports.ended == []
        assert hanging.names(cancelled_key(hanging.name, "")) == set()
        assert run(executor, laid(where, range(4), abs)) == dict.fromkeys(range(4), "")

    def test_a_function_that_is_not_there(self, where: str) -> None:
        """It is told before anything is started, and what to do."""
        executor = LambdaExecutor(1, None, Service("nobody-made-it"), invoke=self.invoke)
        with pytest.raises(ConfigError, match=r"no 'nobody-made-it': run `mapreduce deploy`"):
            executor.start(payloads(laid(where, [1], abs)), print)

    def test_a_function_that_does_not_work(self, where: str, service: Functions, make: MakeExecutor) -> None:
        """So is why a function does not work."""
        service.create(handler="worker.nothing.handle")
        try:
            with pytest.raises(JobError, match=r"No module named 'worker\.nothing'.*`mapreduce deploy`"):
                make(1).start(payloads(laid(where, [1], abs)), print)
        finally:
            service.create()

    def test_twenty_at_once(
        self, make: MakeExecutor, where: str, service: Functions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Twenty functions run at the same moment, each within its own memory."""

        def meet(number: int) -> int:
            if number == 20:
                hold = [bytearray(4_000_000) for _ in range(1000)]
                return len(hold)
            store = open_store(where)
            store.put(f"met/{number}", b"")
            while len(list(store.list("met/"))) < 20:  # nobody goes before the twentieth has come
                time.sleep(0.2)
            return os.getppid()

        monkeypatch.setattr("tests.contract.executor.PATIENCE", 120.0)  # for two processors
        service.create(memory=256, timeout=40)
        try:
            job = laid(where, range(21), meet)
            assert run(make(21), job) == dict.fromkeys(range(21), "")
        finally:
            service.create()
        assert len({job.part(0, number)[0][1] for number in range(20)}) == 20  # a sandbox each
        assert job.failure(0, 20).kind == "out of memory"

    def test_no_more_than_the_function_may(self, make: MakeExecutor, service: Functions) -> None:
        """Of the concurrency that is reserved for the function a tenth is left to others, however many are wanted."""
        service.client.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=10)
        try:
            limits = []
            for workers in (50, 3):
                executor = make(workers)
                assert isinstance(executor, LambdaExecutor)
                executor.surroundings()
                limits.append(executor._flights.limit)
        finally:
            service.client.delete_function_concurrency(FunctionName=NAME)
        assert limits == [9, 3]

    def test_a_function_without_a_key(self, where: str, service: Functions) -> None:
        """A function that could not tell secrets from what is written down is refused."""
        told = service.client.get_function_configuration(FunctionName=NAME)["Environment"]["Variables"]
        without = {name: value for name, value in told.items() if name != KEY}
        service.client.update_function_configuration(FunctionName=NAME, Environment={"Variables": without})
        executor = LambdaExecutor(1, None, Service(NAME), invoke=self.invoke)
        try:
            with pytest.raises(ConfigError, match="has no key, under which secrets of jobs would travel"):
                executor.start(payloads(laid(where, [1], abs)), print)
        finally:
            executor.close()
            service.create()

    def test_events_that_are_too_large(self, make: MakeExecutor, where: str) -> None:
        """What the service would refuse is refused here, and what makes it large is named."""
        job = laid(where, [1], abs, files={f"file {number}": "x" * 1000 for number in range(7000)})
        with pytest.raises(JobError, match=r"AWS Lambda takes [16],000,000; its field 'files' has .*fewer side files"):
            make(1).start(payloads(job), print)


class TestRequests(LambdaContract):
    """Each invocation is waited for."""

    invoke = "request"


class TestEvents(LambdaContract):
    """Invocations are events, of whose ends keys tell."""

    invoke = "event"

    @pytest.fixture
    def hurried(self) -> Iterator[MakeExecutor]:
        """Makes executors in whose eyes a second is half a minute."""
        made: list[Executor] = []

        def make(workers: int = 2, timeout: float | None = None) -> Executor:
            service = Service(NAME)
            made.append(LambdaExecutor(workers, timeout, service, pace=0.2, clock=lambda: 30 * time.monotonic()))
            return made[-1]

        yield make
        for executor in made:
            executor.close()

    def test_an_event_that_is_delivered_twice(
        self, make: MakeExecutor, where: str, service: Functions, tmp_path: Path
    ) -> None:
        """It runs once."""
        service.service.faults.add(Fault(do="duplicate", times=0))

        def do(record: str) -> None:
            with (tmp_path / record).open("a") as file:
                file.write(record)

        job = laid(where, "abcd", do)
        assert run(make(4), job) == dict.fromkeys(range(4), "")
        assert [(tmp_path / name).read_text() for name in "abcd"] == list("abcd")

    def test_an_event_that_is_lost(self, hurried: MakeExecutor, where: str, service: Functions) -> None:
        """An attempt that never started is given up within the time that events are kept."""
        service.service.faults.add(Fault(do="drop", payload={"attempt": {"row": None}}))
        ended = run(hurried(1), laid(where, range(3), abs))
        assert sorted(ended.values())[:2] == ["", ""]
        assert sorted(ended.values())[2].startswith(
            "never started: its event was lost, or waited for longer than the 60"
        )

    def test_an_event_that_is_late(self, hurried: MakeExecutor, where: str, service: Functions) -> None:
        """An attempt that starts when it has been given up, and another has committed, changes nothing."""
        service.service.faults.add(Fault(do="delay", until=1, payload={"attempt": {"attempt": None}}))
        executor = hurried(2)
        job = laid(where, ["x"], lambda record: record)
        assert run(executor, job)[0].startswith("never started")
        reports = Reports(executor)
        executor.start([job.payload("map", 0, 1)], reports)
        reports.wait(1, job)
        assert job.commit(0).attempt == 1
        until(lambda: started_key(job.name, 0, 0, 0) in job.names())
        until(lambda: out_key(job.name, 0, 0, 0) not in job.names())
        assert job.part(0) == [("x", "x")]

    def test_a_sandbox_that_dies_and_nobody_tells(self, hurried: MakeExecutor, where: str, service: Functions) -> None:
        """Without a failure destination an attempt that started is given its function's time, and no more."""
        service.client.put_function_event_invoke_config(FunctionName=NAME, MaximumRetryAttempts=0)
        service.service.faults.add(killing(0))
        try:
            ended = run(hurried(1), laid(where, ["x"], die))
        finally:
            service.create()
        assert ended[0].startswith("lost: its sandbox died without a word, within the 60 s")

    def test_functions_hand_over_events(self, where: str, service: Functions) -> None:
        """Where attempts are many, a function hands them over; what it cannot hand over the driver does."""
        service.service.faults.add(Fault(do="throttle", contains='"start"'))
        executor = LambdaExecutor(20, None, Service(NAME), pace=0.2, crowd=5)
        starts: list[Any] = []

        def note(event: Any) -> bool:
            starts.extend(event.get("start", {}).get("attempts", []))
            return False

        service.service.faults.add(Fault(do="error", when=note))
        try:
            job = laid(where, range(40), abs)
            assert run(executor, job) == dict.fromkeys(range(40), "")
        finally:
            executor.close()
        assert len({tuple(attempt) for attempt, _ in starts}) >= 20

    def test_sandboxes_that_are_warm(self, make: MakeExecutor, where: str, service: Functions) -> None:
        """Attempts find the sandboxes that were warmed for them."""
        service.create()  # without any sandbox
        executor = make(3)
        executor.warm(3)
        until(lambda: sum(map(len, service.service._pool._warm.values())) == 3)
        warm = set(service.service.pids)
        job = laid(where, range(3), lambda record: os.getppid())
        assert run(executor, job) == dict.fromkeys(range(3), "")
        assert {job.part(0, task)[0][1] for task in range(3)} <= warm

    def test_failure_records_are_removed(self, make: MakeExecutor, where: str, service: Functions) -> None:
        """What the service wrote of our events is deleted when it has been read; of others' it stays."""
        others = f"aws/lambda/async/{NAME}/{datetime.now(UTC):%Y/%m/%d}/somebody"
        body = json.dumps({"requestPayload": {"attempt": {"attempt": ["somebody's job", 0, 0, 0]}}})
        ministack().client().put_object(Bucket=BUCKET, Key=others, Body=body.encode())
        service.service.faults.add(killing(0))
        job = laid(where, ["x"], die)
        ended = run(make(1), job)
        assert ended[0].startswith("its sandbox was killed")
        client, prefix = ministack().client(), "aws/lambda/async/"

        def told_of(name: str) -> list[str]:
            found = []
            for key in _keys(client, prefix):
                with suppress(client.exceptions.NoSuchKey):  # it was deleted just now
                    if name.encode() in client.get_object(Bucket=BUCKET, Key=key)["Body"].read():
                        found.append(key)
            return found

        until(lambda: not told_of(job.name))
        assert told_of("somebody's job") == [others]
        client.delete_object(Bucket=BUCKET, Key=others)

    def test_what_the_service_writes_down(self, where: str, service: Functions) -> None:
        """A failed event, as the service puts it into the bucket, has nothing by which readers could make code."""
        service.service.faults.add(killing(0))
        job = laid(where, ["x"], die)
        executor = LambdaExecutor(1, None, Service(NAME))
        try:
            executor.surroundings()  # by which it learns of the function's key
            event = executor._event(job.payload("map", 0))
        finally:
            executor.close()
        client, prefix = ministack().client(), "aws/lambda/async/"
        before = _keys(client, prefix)
        service.client.invoke(FunctionName=NAME, InvocationType="Event", Payload=event)
        [key] = until(lambda: _keys(client, prefix) - before)
        record = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        client.delete_object(Bucket=BUCKET, Key=key)
        assert job.seal.secret.hex().encode() not in record
        hidden = json.loads(record)["requestPayload"]["attempt"]["secret"]
        assert unveil(hidden, FUNCTION_KEY) == job.seal.secret


def _keys(client: Any, prefix: str) -> set[str]:
    return {info["Key"] for info in client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])}
