"""A fused mapper adds up what the mapper yields, or there is no fused one."""

from __future__ import annotations

import contextlib
import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.fusion import fuse
from mapreduce import Mapper
from tests.worker.build import Memory
from worker.budget import Budget
from worker.fused import Adder, Totals
from worker.tables import SumTable, Table

FACTOR = 3
_shared = Counter[str]()


class Words(Mapper):
    """The plainest one."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Each word."""
        for word in line.split():
            yield word, 1


class Shapes(Mapper):
    """Statements of all kinds around yields."""

    def __init__(self) -> None:
        self.prefix = "p-"
        self.seen = 0

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        """Guards, loops in loops, conditions, expressions as keys and values."""
        self.seen += 1
        if not line:
            yield "empty", 0.5
            return
        for number, word in enumerate(line.split()):
            if word == "skip":
                continue
            if word == "stop":
                break
            for letter in word:
                if letter == "x":
                    return
                yield letter, FACTOR * number
            yield self.prefix + word, len(word)
        while self.seen % 2:
            yield (line[:1], number), -number
            break
        else:
            yield None, 2
        held = [letter for letter in line if letter > "m"]
        yield len(held), sum(1 for _ in held)
        with contextlib.suppress(KeyError):
            _shared["lines"] += 1
        try:
            value = int(word)
        except ValueError:
            value = 0
        yield "value", value


class Base:
    """A class that is no mapper."""


class Mangled(Mapper):
    """Private names."""

    __step = 2

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Their values."""
        yield line, self.__step


class Constant(Mapper):
    """A constant key, and a key that is evaluated before its value."""

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        """Names that change within the pair."""
        yield "lines", 1
        yield line, len(line := line + "!")
        yield (line := line * 2), len(line)


class Fresh(Mapper):
    """A variable of one record is not that of the next."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Fails where the line has no word."""
        for word in line.split():
            last = word
        yield last, 1


def one_line(self: Any, line: str) -> Iterator[tuple[str, int]]:
    """A function that becomes a method."""
    yield line, 1


class Counted(Mapper):
    """Loops that do nothing but yield their items with 1, and some that do a little more."""

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        """Over a list, a generator that may fail, what cannot be looped over or is no key, and with other values."""
        for word in line.split():
            yield word, 1
        for letter in (chr(ord(one) + 1) for one in line.replace(" ", "")):
            yield letter, 1
        if line:
            for flag in line.split():
                yield flag, True
            for twice in line.split():
                yield twice, 2
            for kept in line.split():
                yield kept, 1
            yield f"last {kept}", 1
        for key in [[], line] if "stop" in line else self.map if "mno" in line else ():  # type: ignore[union-attr]
            yield key, 1


class Assigned(Mapper):
    """A method from elsewhere."""

    map = one_line


FUSED = [Words, Shapes, Mangled, Constant, Fresh, Counted, Assigned]

LINES = st.lists(st.lists(st.sampled_from(["a", "bx", "skip", "stop", "7", "mno", ""])).map(" ".join), max_size=8)


def table(spill: Callable[[Table], None] | None = None, room: int = 0) -> SumTable:
    """A table that spills when it has more than `room` keys, if a spill is given."""
    made = SumTable(Budget(100_000_000, Memory([bool(spill)] * 1000)), spill or (lambda table: None))
    made._room = room or made._room
    return made


def adder_of(mapper: Mapper, into: Totals) -> Adder:
    """The fused function, as it arrives."""
    fused = fuse(mapper)
    assert fused is not None
    adder = pickle.loads(pickle.dumps(fused)).adder(mapper, into)
    assert adder is not None
    found: Adder = adder
    return found


def run(mapper: Mapper, records: list[str], into: SumTable, *, fused: bool) -> str:
    """Map the records into a table, by one way or the other; returns the error's type."""
    adder = adder_of(mapper, into)
    try:
        for record in records:
            if fused:
                adder(mapper, record)
            else:
                into.add(mapper.map(record))
    except Exception as error:
        return type(error).__name__
    return ""


@pytest.mark.parametrize("kind", FUSED)
@given(records=LINES)
def test_both_ways_give_the_same(kind: type[Mapper], records: list[str]) -> None:
    """Totals, their types and order, what the mapper keeps, and errors are the same."""
    found = []
    for fused in (False, True):
        _shared.clear()
        into, mapper = table(), kind()
        error = run(mapper, records, into, fused=fused)
        found.append((error, [(repr(key), repr(value)) for key, value in into.pairs()], vars(mapper), dict(_shared)))
    assert found[0] == found[1]


@given(records=LINES)
def test_spilling(records: list[str]) -> None:
    """A table that spills in the middle of a record loses nothing."""
    spilled: Counter[str] = Counter()

    def spill(full: Table) -> None:
        spilled.update(dict(full.pairs()))
        full.clear()
        full._room = 1

    into = table(spill, 1)
    assert run(Words(), records, into, fused=True) == ""
    spilled.update(into.entries)
    assert spilled == Counter(word for record in records for word in record.split())


class Lines(Words):
    """What a line's words are taken from, and a loop that says nothing before it."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.lower().split():
            yield word, 1


class Assigning(Words):
    """The words get a name first."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        words = line.split()
        for word in words:
            yield word, 1


class Twos(Words):
    """Another value."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 2


class Fields(Words):
    """Another separator."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split(","):
            yield word, 1


class Stripped(Words):
    """Another method."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.swapcase().split():
            yield word, 1


class Shared(Words):
    """The words of something else."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in TEXT.split():
            yield word, 1


class More(Words):
    """One pair more."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1
        yield "lines", 1


class Otherwise(Words):
    """A loop with an else."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1
        else:  # noqa: PLW0120 - this is what is tested
            yield "lines", 1


class Keys(Words):
    """The line as the key."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():  # noqa: B007 - this is what is tested
            yield line, 1


class Truths(Words):
    """A value that is equal to 1, and another one."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, True


class Global(Words):
    """A word that outlives the call."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        global _word
        for _word in line.split():
            yield _word, 1


TEXT = "a b"
_word = ""
OTHERS = (Assigning, Twos, Fields, Stripped, Shared, More, Otherwise, Keys, Truths, Global)


@pytest.mark.parametrize(("kind", "words"), [(Words, ""), (Lines, "lower"), *((kind, None) for kind in OTHERS)])
def test_words_alone(kind: type[Mapper], words: str | None) -> None:
    """It is told where a mapper does nothing but yield the words of its line with 1, and nowhere else."""
    fused = fuse(kind())
    assert fused is not None
    assert pickle.loads(pickle.dumps(fused)).words == words


def test_items_are_counted_without_the_loop() -> None:
    """A loop that yields its items with 1 hands what is no list to the table, at once for each record."""
    calls = []

    class Counting(SumTable):
        def count(self, keys: Any) -> None:
            calls.append(list(keys))

    class Pieces(Mapper):
        def map(self, line: str) -> Iterator[tuple[str, int]]:
            for piece in iter(line.split()):
                yield piece, 1
            for word in line.split():
                yield word, 1

    into = Counting(Budget(100_000_000, Memory()), lambda full: None)
    adder_of(Pieces(), into)(Pieces(), "a b a")
    assert calls == [["a", "b", "a"]]
    assert into.entries == {"a": 2, "b": 1}


def test_another_version_of_the_code_is_not_fused() -> None:
    """Where the worker has another `map` than the driver had, it runs that one."""
    fused = fuse(Words())
    assert fused is not None
    assert fused.adder(Words(), table()) is not None
    assert fused.adder(Mangled(), table()) is None


def test_errors_show_the_users_lines() -> None:
    """A traceback shows the file and the line of the mapper's source."""

    class Fails(Mapper):
        def map(self, line: str) -> Iterator[tuple[str, float]]:
            for word in line.split():
                yield word, 1 / int(word)

    mapper = Fails()
    frames = []
    for fused in (False, True):
        into = table()
        try:
            if fused:
                adder_of(mapper, into)(mapper, "1 0")
            else:
                into.add(mapper.map("1 0"))
        except ZeroDivisionError as error:
            frames.append(traceback.extract_tb(error.__traceback__)[-1])
    assert frames[0] == frames[1]
    assert frames[0].filename == __file__


class Delegates(Mapper):
    """Yields what another generator does."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """From elsewhere."""
        yield from [(line, 1)]


class Uses(Mapper):
    """A yield whose value is used."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """A yield in an expression."""
        answer = yield line, 1
        assert answer is None


class Pair(Mapper):
    """A pair that is made elsewhere."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """A name."""
        pair = (line, 1)
        yield pair


class Guarded(Mapper):
    """A yield in a try, which would catch what the table raises."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """In a try."""
        try:
            yield line, 1
        finally:
            _shared["done"] += 1


class Within(Mapper):
    """A yield in a with."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """In a with."""
        with contextlib.suppress(TypeError):
            yield line, 1


class Inner(Mapper):
    """A generator inside."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """With a function of its own."""

        def pairs() -> Iterator[tuple[str, int]]:
            yield line, 1

        for key, value in pairs():  # noqa: UP028 - this is what is tested
            yield key, value


class Listed(Mapper):
    """No generator at all."""

    def map(self, line: str) -> Any:
        """A list."""
        return [(line, 1)]


class Super(Words):
    """Calls its parent."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Through a cell."""
        for key, value in super().map(line):  # noqa: UP028 - as above
            yield key, value


class Defaults(Mapper):
    """A parameter more."""

    def map(self, line: str, times: int = 2) -> Iterator[tuple[str, int]]:
        """With a default."""
        yield line, times


def twice(function: Any) -> Any:
    """A decorator."""
    return lambda self, line: (pair for pair in (*function(self, line), *function(self, line)))


class Decorated(Mapper):
    """A decorated method."""

    @twice
    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Twice."""
        yield line, 1


class Starred(Mapper):
    """A pair of unknown parts."""

    def map(self, line: str) -> Iterator[Any]:
        """Unpacked."""
        yield line, *[1]


class Looks(Mapper):
    """A function that looks at its variables."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """Their names."""
        for name in sorted(locals()):
            yield name, 1


class Taken(Mapper):
    """A name that fused code would use."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        """The name."""
        _mapreduce_key = line
        yield _mapreduce_key, 1


def replaced() -> Mapper:
    """A mapper whose instance has a method of its own."""
    mapper = Words()
    mapper.map = lambda line: iter([(line, 7)])  # type: ignore[method-assign]
    return mapper


def changed() -> Mapper:
    """A mapper whose code is no longer that of its source."""
    scope: dict[str, Any] = {"Mapper": Mapper}
    text = (
        "class Words(Mapper):\n    def map(self, line):\n        for word in line.split():\n            yield word, 2\n"
    )
    exec(compile(text, __file__, "exec"), scope)
    mapper: Mapper = scope["Words"]()
    return mapper


@pytest.mark.parametrize(
    "make",
    [
        *(Delegates, Uses, Pair, Guarded, Within, Inner, Listed, Super, Defaults, Decorated, Starred, Looks, Taken),
        *(replaced, changed),
    ],
)
def test_what_is_not_fused(make: Callable[[], Mapper]) -> None:
    """Where the result might differ, or the source is not that of the code, there is no fused function."""
    mapper = make()
    assert fuse(mapper) is None


def test_no_mapper() -> None:
    """A job without a mapper has nothing to fuse."""
    assert fuse(None) is None
