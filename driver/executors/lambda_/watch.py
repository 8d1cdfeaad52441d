"""Finding out what became of attempts of which only keys can tell.

An event that the service took note of is run, and ends by a commit record, which the round finds, or by
a record of its failure. What ends without either is found by what the service writes to the function's
failure destination, or else by time: a started attempt is given its function's time, one that was not
started the time for which the service keeps events. Time is what this machine was awake for, counted
from when something was seen, and the keys are looked at once more before an attempt is given up.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from driver.executors.lambda_.destination import Destination
from driver.executors.lambda_.flights import Flight, Flights
from driver.executors.lambda_.service import Facts
from mapreduce.errors import MissingObject, StoreError
from mapreduce.objectstore import ObjectStore
from worker.layout import done_key, failed_key, failed_prefix, started_prefix

#: Seconds between looks at the failure records, whose listing is short.
PACE = 2.0
# Seconds between looks at the start keys, which are as many as attempts.
_STARTS = 15.0
# Seconds beyond its time for which an attempt may be silent.
_SLACK = 30.0

#: Opens the object store of a flight's control keys.
OpenStore = Callable[[str], ObjectStore]


class Watch:
    """Looks for the ends of attempts.

    Args:
        flights: what is under way.
        store: opens the object store of a URL.
        facts: what is known of the function.
        destination: where the service tells of failures; None where it does not.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        flights: Flights,
        store: OpenStore,
        facts: Facts,
        destination: Destination | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._flights = flights
        self._store = store
        self._facts = facts
        self._destination = destination
        self._clock = clock
        self._starts = float("-inf")

    def look(self) -> None:
        """Report the attempts that are found to have ended.

        Raises:
            StoreError: the keys could not be looked at.
        """
        rounds: dict[tuple[str, str, int], list[Flight]] = defaultdict(list)
        for flight in self._flights.sent():
            attempt = flight.payload.attempt
            rounds[flight.payload.storage, attempt.job, attempt.round].append(flight)
        if not rounds:
            return
        trouble: StoreError | None = None
        for (url, job, number), flights in rounds.items():
            try:
                failed = _listed(self._store(url), failed_prefix(job, number))
            except StoreError as error:  # the other jobs go on
                trouble = error
                continue
            for flight in flights:
                if flight.payload.attempt[2:] in failed:
                    self._flights.land(flight.payload.attempt, "")
        if self._destination is not None:
            for attempt, how in self._destination.look():
                self._flights.land(attempt, how)
        if trouble is not None:
            raise trouble
        self._look_for_starts(rounds)
        self._give_up()

    def _look_for_starts(self, rounds: dict[tuple[str, str, int], list[Flight]]) -> None:
        now = self._clock()
        if now - self._starts < _STARTS:
            return
        self._starts = now
        for (url, job, number), flights in rounds.items():
            if all(flight.seen is not None for flight in flights):
                continue
            started = _listed(self._store(url), started_prefix(job, number))
            for flight in flights:
                if flight.seen is None and flight.payload.attempt[2:] in started:
                    flight.seen = now

    def _give_up(self) -> None:
        """Report as lost what has been silent for too long."""
        for flight in self._flights.sent():
            assert flight.sent is not None
            timeout, age = self._facts.timeout, self._facts.age
            if flight.seen is not None:
                due = flight.seen + timeout
                how = f"lost: its sandbox died without a word, within the {timeout:g} s that its function may take"
            else:
                due = flight.sent + age
                how = f"never started: its event was lost, or waited for longer than the {age:g} s that events are kept"
            if self._clock() <= due + _SLACK:
                continue
            self._flights.land(flight.payload.attempt, "" if self._has_ended(flight) else how)

    def _has_ended(self, flight: Flight) -> bool:
        """Whether there is a record of the attempt's end, or its task's."""
        store = self._store(flight.payload.storage)
        attempt = flight.payload.attempt
        return any(_exists(store, key) for key in (done_key(*attempt[:3]), failed_key(*attempt)))


def _listed(store: ObjectStore, prefix: str) -> set[tuple[int, int]]:
    """Task and attempt of the keys with a prefix."""
    found = set()
    for info in store.list(prefix):
        task, _, attempt = info.key[len(prefix) :].partition(".")
        found.add((int(task), int(attempt)))
    return found


def left_over(store: ObjectStore, job: str, flights: Sequence[Flight]) -> tuple[int, int]:
    """How many attempts of a job run, and how many have not started, as far as keys can tell."""
    running = waiting = 0
    for number in {flight.payload.attempt.round for flight in flights}:
        started = _listed(store, started_prefix(job, number))
        failed = _listed(store, failed_prefix(job, number))
        for attempt in (flight.payload.attempt for flight in flights if flight.payload.attempt.round == number):
            if attempt[2:] not in started:
                waiting += 1
            elif attempt[2:] not in failed and not _exists(store, done_key(*attempt[:3])):
                running += 1
    return running, waiting


def _exists(store: ObjectStore, key: str) -> bool:
    try:
        store.size(key)
    except MissingObject:
        return False
    return True
