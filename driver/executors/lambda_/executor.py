"""Attempts as invocations of one function of AWS Lambda.

Threads invoke, as many attempts at once as the limit allows. By "request" each waits for its attempt's
end; by "event", the default, the service takes note, and the keys in the object store tell the end.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from queue import Empty, SimpleQueue
from typing import Any, Literal, Self

from driver.executors.base import Ended, Executor, Surroundings
from driver.executors.lambda_.checks import check_function, check_size
from driver.executors.lambda_.destination import Destination
from driver.executors.lambda_.flights import Flight, Flights
from driver.executors.lambda_.service import Facts, Lost, Refused, Service
from driver.executors.lambda_.watch import PACE, Watch, left_over
from driver.settings import Settings
from mapreduce import __version__
from mapreduce.errors import ConfigError, StoreError
from mapreduce.objectstore import Access, ObjectStore, open_store
from shuffle.base import AttemptId
from worker.layout import cancelled_key
from worker.payload import Payload
from worker.veil import veil

# Threads that hand events over: more only make the client library's lock the bottleneck.
_SENDERS = 16
# Attempts that may start at once from which on functions hand over events too, and how many each.
_CROWD = 256
_BRANCH = 100
# Seconds for which an event that warms holds its sandbox, so that the next one finds another.
_HOLD = 1.0
# Seconds for which a cancelled job's attempts are waited for: they look every three.
_LEAVE = 10.0
# The share of the account's concurrency that is left to others.
_LEFT = 0.1


class LambdaExecutor(Executor):
    """Runs attempts as invocations, up to `workers` at once, each for at most `timeout` seconds.

    Args:
        workers: how many attempts run at once.
        timeout: seconds that one attempt may take; None for what the function allows.
        service: invokes the function.
        invoke: "event", or "request" to wait for each attempt's end by the connection that started it.
        access: how the driver reaches stores.
        pace: seconds between looks for the ends of events.
        clock: gives the time in seconds, by which attempts are given up.
        crowd: how many events to hand over, at least, for functions to help.
    """

    poll = 0.05
    remote = True
    share = 32_000_000

    def __init__(
        self,
        workers: int,
        timeout: float | None,
        service: Service,
        *,
        invoke: Literal["event", "request"] = "event",
        access: Access | None = None,
        pace: float = PACE,
        clock: Callable[[], float] = time.monotonic,
        crowd: int = _CROWD,
    ) -> None:
        # Attempts that another driver of the same job starts are not to end with ours.
        self._name = secrets.token_hex(8)
        self._timeout = timeout
        self._service = service
        self._invoke = invoke
        self._access = access or Access()
        self._pace = pace
        self._clock = clock
        self._crowd = crowd
        self._flights = Flights(workers)
        self._facts: Facts | None = None
        self._key = ""
        self._surroundings: Surroundings | None = None
        self._opening = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._watch: Watch | None = None
        self._notices: SimpleQueue[str] = SimpleQueue()
        self._left: dict[str, str] = {}
        self._jobs: set[str] = set()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        service = Service(
            settings.function,
            region=settings.region,
            profile=settings.profile,
            connections=settings.workers if settings.invoke == "request" else _SENDERS,
        )
        executor = cls(
            settings.workers,
            settings.timeout,
            service,
            invoke="request" if settings.invoke == "request" else "event",
            access=settings.access,
        )
        service.tell = executor._notices.put
        return executor

    def start(self, payloads: Iterable[Payload], ended: Ended) -> None:
        self._open()
        flights = [Flight(payload, ended) for payload in payloads]
        self._jobs.update(flight.payload.attempt.job for flight in flights)
        for flight in flights:
            check_size(self._event(flight.payload), flight.payload, self._invoke)
            if url := self._left.pop(flight.payload.attempt.job, ""):
                self._store(url).delete([cancelled_key(flight.payload.attempt.job, self._name)])
        self._grow(self._flights.add(flights))

    def warm(self, attempts: int) -> None:
        self._open()
        event = json.dumps({"version": __version__, "warm": _HOLD}).encode()

        def send(count: int) -> None:
            for _ in range(count):
                try:
                    self._service.invoke(event, "event", lambda _: False)  # it is not worth a second try
                except (Refused, ConfigError):
                    return

        count = min(attempts, self._flights.limit)
        for number in range(min(_SENDERS, count)):
            share = len(range(number, count, _SENDERS))
            threading.Thread(target=send, args=(share,), name="lambda-warm", daemon=True).start()

    def surroundings(self) -> Surroundings:
        self._open()
        assert self._surroundings is not None
        return self._surroundings

    def settled(self, attempts: Iterable[AttemptId]) -> None:
        self._flights.drop(attempts)

    def notices(self) -> list[str]:
        told = []
        try:
            while True:
                told.append(self._notices.get_nowait())
        except Empty:
            return told

    def cancel(self, job: str) -> None:
        flying = self._flights.cancel(job)
        try:
            if flying:
                url = flying[0].payload.storage
                self._store(url).put(cancelled_key(job, self._name), b"")
                if self._leave(job, self._store(url)):
                    self._store(url).delete([cancelled_key(job, self._name)])
                else:
                    self._left[job] = url  # for events that the service still keeps
        except StoreError as error:  # how the job ended is what counts; its attempts end by themselves
            self._notices.put(f"attempts of the job {job} may run on for a while: {error}")
        finally:
            self._flights.forget(job)

    def close(self) -> None:
        flying = {} if self.closed else {job: self._flights.of(job) for job in self._flights.jobs()}
        self.closed = True
        self._flights.close()
        for job, flights in flying.items():
            for flight in flights[:1]:
                try:
                    self._store(flight.payload.storage).put(cancelled_key(job, self._name), b"")
                except StoreError:  # nobody is left to be told, and the attempts end by themselves
                    continue

    def _leave(self, job: str, store: ObjectStore) -> bool:
        """Wait a while until nothing of a cancelled job runs; returns whether nothing of it can start any more."""
        deadline = time.monotonic() + _LEAVE
        while True:
            flying = self._flights.of(job)
            sent = [flight for flight in flying if flight.sent is not None]
            running, waiting = left_over(store, job, sent)
            left = deadline - time.monotonic()
            if (len(sent) == len(flying) and not running) or left <= 0:
                return not (running or waiting or len(sent) < len(flying))
            self._flights.wait(lambda: len(self._flights.of(job)) < len(flying), min(0.5, left))  # noqa: B023 - for now

    def _open(self) -> None:
        """Find out whether the function can be used, and how.

        Raises:
            ConfigError: it does not exist, must not be invoked, or is of another version.
            JobError: it cannot be reached, or does not work.
        """
        with self._opening:
            if self._facts is not None:
                return
            self._service.open()
            told = self._service.describe()
            check_function(self._service.function, told)
            self._key = str(told["key"])
            self._surroundings = Surroundings(str(told["machine"]), int(told["disk"]), int(told["memory"]))
            config = self._service.settings()
            arn = str(config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", ""))
            self._facts = Facts(
                timeout=float(math.ceil(told["remaining"])),
                age=float(config.get("MaximumEventAgeInSeconds", Facts.age)),
                failures=arn.removeprefix("arn:aws:s3:::") if ":s3:::" in arn else "",
            )
            available = self._service.concurrency()
            if available is not None:
                self._flights.limit = max(1, min(self._flights.limit, int(available * (1 - _LEFT))))
            destination = None
            if self._facts.failures:
                bucket = open_store(f"s3://{self._facts.failures}", access=self._access)
                name = self._service.function.rpartition(":function:")[2].partition(":")[0]
                destination = Destination(bucket, name, lambda attempt: attempt.job in self._jobs)
            self._watch = Watch(self._flights, self._store, self._facts, destination, self._clock)

    def _store(self, url: str) -> ObjectStore:
        return open_store(url, access=self._access)

    def _event(self, payload: Payload) -> bytes:
        fields = json.loads(payload.to_json())
        fields["secret"] = veil(bytes.fromhex(payload.secret), self._key)
        event = {"version": __version__, "driver": self._name, "timeout": self._timeout, "attempt": fields}
        return json.dumps(event, separators=(",", ":")).encode()

    def _grow(self, wanted: int) -> None:
        """Have a thread for each of so many attempts, as far as more threads help."""
        most = self._flights.limit if self._invoke == "request" else min(_SENDERS, self._flights.limit)
        with self._opening:
            if not self._threads:
                self._thread(self._look, "lambda-watch")
            while not self.closed and len(self._threads) - 1 < min(most, wanted):
                self._thread(self._serve, f"lambda-{len(self._threads)}")

    def _thread(self, act: Callable[[], None], name: str) -> None:
        # Daemons: a program that ends without closing its driver must not hang on them.
        thread = threading.Thread(target=act, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        many = _BRANCH if self._invoke == "event" else 1
        while flights := self._flights.take(many, self._crowd):
            if len(flights) > 1:
                flights = self._branch(flights)
            for flight in flights:
                try:
                    self._run(flight)
                except Exception as error:  # the attempt must end for the driver, whatever happens here
                    self._flights.land(flight.payload.attempt, f"{type(error).__name__}: {error}")

    def _branch(self, flights: list[Flight]) -> list[Flight]:
        """Have a function hand over these events; returns those that it could not, or may not have."""
        event = json.loads(self._event(flights[0].payload))
        same = [flight for flight in flights if _common(flight.payload) == _common(flights[0].payload)]
        calls = [[list(flight.payload.attempt), list(flight.payload.row)] for flight in same]
        start = {"version": __version__, "start": {"common": event, "attempts": calls}}
        others = [flight for flight in flights if flight not in same]
        try:
            answer = self._service.invoke(json.dumps(start).encode(), "request", self._pause(flights[0]))
        except (Refused, Lost, ConfigError):
            return flights  # one by one it will be seen what is wrong; who has been started is not started again
        if answer.error:
            return flights
        refused = {number for number, _ in answer.value["refused"]}
        now = self._clock()
        for number, flight in enumerate(same):
            if number in refused:
                others.append(flight)
            else:
                flight.sent = now
        return others

    def _pause(self, flight: Flight) -> Callable[[float], bool]:
        """Waits between tries to start an attempt, and tells whether it is still wanted."""
        job = flight.payload.attempt.job
        return lambda seconds: not self._flights.wait(lambda: not self._flights.is_wanted(job), seconds)

    def _run(self, flight: Flight) -> None:
        """Invoke, and report the end if it is known then."""
        attempt = flight.payload.attempt
        try:
            answer = self._service.invoke(self._event(flight.payload), self._invoke, self._pause(flight))
        except Lost:
            flight.sent = self._clock()
        except (Refused, ConfigError) as error:
            self._flights.land(attempt, str(error))
        else:
            if self._invoke == "event":
                flight.sent = self._clock()
            elif answer.value.get("outcome") == "duplicate":
                flight.sent = self._clock()  # an earlier try to start it had come through
            else:
                self._flights.land(attempt, answer.error)

    def _look(self) -> None:
        """Look for the ends of events until all is over."""
        troubled = False
        while not self.closed:
            self._flights.wait(lambda: False, self._pace)
            try:
                if self._watch is not None and not self.closed:
                    self._watch.look()
                troubled = False
            except StoreError as error:
                if not troubled:
                    self._notices.put(f"{error}; trying again")
                troubled = True


def _common(payload: Payload) -> dict[str, Any]:
    """What the payloads of a round have in common."""
    return {**asdict(payload), "attempt": None, "row": None}
