"""The comparison itself: every store in turn, several times."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from benchmarks.compare.clients import costs, counts_of
from benchmarks.compare.crew import Crew
from benchmarks.compare.footprint import footprint
from benchmarks.compare.layout import layouts
from benchmarks.compare.pipelining import pipelining
from benchmarks.compare.places import ABSENT, Place, named_place
from benchmarks.compare.prices import SOURCE, price
from benchmarks.compare.report import PARTS, Report, Roof, Row, Way
from benchmarks.compare.roofline import beside
from benchmarks.compare.services import local_services
from benchmarks.compare.words import WordCount
from benchmarks.compare.workload import Shape, exchange
from benchmarks.process import machine
from benchmarks.reference import count_words
from benchmarks.text import review_text
from mapreduce import ConfigError, MapReduceError

# What moves the bytes.
_CLIENTS = ("obstore", "boto3", "awscrt", "redis", "hiredis")


def choose(names: Sequence[str] | None) -> list[str]:
    """The parts of these names, in their order; all without names.

    Raises:
        ConfigError: there is no part of that name.
    """
    for name in names or ():
        if name not in PARTS:
            raise ConfigError(f"--parts: there is no part {name!r}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if names is None or name in names]


def name_places(
    s3: str | None, redis: Sequence[str], *, endpoint_url: str | None = None, profile: str | None = None
) -> list[Place]:
    """The places of these URLs, what is not said taken from the settings.

    Raises:
        ConfigError: something of them cannot be used.
    """
    if s3 is not None and not s3.startswith("s3://"):
        raise ConfigError(f"--s3: {s3!r} is no URL of S3; write it like s3://bucket/prefix")
    if not all(url.startswith(("redis://", "rediss://")) for url in redis):  # what it has instead may be a secret
        raise ConfigError("--redis: that is no URL of Redis; write it like redis://host:6379")
    urls = [*([] if s3 is None else [s3]), *redis]
    return [named_place(url, endpoint_url=endpoint_url, profile=profile) for url in urls]


@contextmanager
def gather(named: Sequence[Place], *, local: bool) -> Iterator[tuple[list[Place], dict[str, str]]]:
    """All places to compare: a new folder, those that were named, and servers begun here where `local` says so.

    Gives of each kind of store of which there is none why, too.

    Raises:
        click.ClickException: a server does not answer.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-"))
        started, missing = stack.enter_context(local_services()) if local else ([], ABSENT)
        places = [Place(name="folder", url=Path(folder).as_uri()), *named, *started]
        kinds = {place.kind for place in places}
        yield places, {kind: text for kind, text in missing.items() if kind not in kinds}


def run(
    places: Sequence[Place],
    way: Way,
    *,
    absent: Mapping[str, str],
    data: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Compare these places.

    Args:
        places: the stores.
        way: how.
        absent: of each kind of store of which there is none, why.
        data: the folder where generated text is kept.
        tell: takes a line about each step.
    """
    files = review_text(way.text, data) if "words" in way.parts else []
    expected = count_words(files)
    with ExitStack() as stack:
        entrants = [stack.enter_context(_Entrant(place, way, files, expected)) for place in places]
        for number in range(way.runs):
            for part in way.parts:
                # In turns, so that a machine that slows down does it to all.
                for entrant in entrants[:: -1 if number % 2 else 1]:
                    entrant.measure(part, number, tell)
    rows = [entrant.row for entrant in entrants]
    rows += [Row(name=kind, kind=kind, absent=reason) for kind, reason in absent.items()]
    return Report(machine=machine(), versions=_versions(), way=way, prices=SOURCE, rows=rows)


class _Entrant:
    """A store in the comparison: its figures so far, and the processes that use it, from first use to the end."""

    def __init__(self, place: Place, way: Way, files: Sequence[str], expected: Sequence[bytes]) -> None:
        self.row = Row.of(place)
        try:
            self.row.warnings = place.check(max(way.size, way.roofline))
        except MapReduceError as error:
            self.row.problem = str(error)
        self.row.roofline = [
            Roof(block=block, side=Shape.square(way.roofline, block, way.workers).maps)
            for block in way.blocks
            if "roofline" in way.parts
        ]
        self._place = place
        self._way = way
        self._files = files
        self._expected = expected
        self._stack = ExitStack()
        self._parts: dict[str, Callable[[int], None]] = {"words": self._words, "shuffle": self._shuffle}
        self._parts["roofline"] = self._roofline
        if place.kind == "redis":
            self._parts |= {"pipelining": self._pipelining, "memory": self._footprint}
        if place.kind == "s3":
            self._parts |= {"layout": self._layout, "clients": self._clients}

    def measure(self, part: str, number: int, tell: Callable[[str], None]) -> None:
        """Measure a part for the time `number`, unless something failed before, or it is for other stores."""
        if self.row.problem or part not in self._parts or (part == "layout" and number):
            return
        tell(f"run {number + 1} of {self._way.runs}: {part}: {self._place.name}")
        try:
            with self._place.environment():
                self._parts[part](number)
        except MapReduceError as error:
            self.row.problem = str(error)
        except Exception as error:  # of a client library; the other stores are still to be measured
            self.row.problem = f"{type(error).__name__}: {error}"

    @cached_property
    def _crew(self) -> Crew:
        return self._stack.enter_context(Crew(self._way.workers))

    @cached_property
    def _word_count(self) -> WordCount:
        way = self._way
        return self._stack.enter_context(
            WordCount(self._place, self._files, self._expected, workers=way.workers, maps=way.maps, reduces=way.reduces)
        )

    def _words(self, _: int) -> None:
        self.row.words.append(self._word_count.run())

    def _shuffle(self, _: int) -> None:
        way = self._way
        one = exchange(self._place, Shape.of(way.size, way.maps, way.reduces), self._crew)
        self.row.exchanges.append(one)
        if self._place.kind == "s3":
            self.row.dollars = float(price(one.requests))

    def _roofline(self, number: int) -> None:
        for roof in self.row.roofline:
            shape = Shape(maps=roof.side, reduces=roof.side, piece=roof.block)
            roof.runs.append(beside(self._place, shape, self._crew, raw_first=bool(number % 2)))

    def _pipelining(self, _: int) -> None:
        self.row.pipelining.append(pipelining(self._place))

    def _footprint(self, _: int) -> None:
        self.row.footprints.append(footprint(self._place, size=self._way.size))

    def _layout(self, _: int) -> None:
        way = self._way
        if way.square:
            self.row.layouts.append(layouts(self._place, Shape.of(way.size, way.square, way.square), self._crew))

    def _clients(self, _: int) -> None:
        self.row.costs += costs(self._place, counts_of(self._way.requests))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()


def _versions() -> dict[str, str]:
    """Of the client libraries that are installed."""
    found = {}
    for name in _CLIENTS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
