"""Jobs whose exchange has two levels give what direct ones give, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driver import Event
from driver.events import RoundEnded
from tests.acceptance.conftest import contents
from tests.acceptance.faults import Bench, Words, job

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_process_left")]


@pytest.fixture
def bench(text: Path, storage: Path) -> Bench:
    """Runs jobs."""
    return Bench(text, storage)


def flipped(bench: Bench, rounds: set[int]) -> Callable[[Event], None]:
    """A callback that flips a bit of each object that a round has written to the shuffle, once for each round."""
    left = set(rounds)

    def damage(event: Event) -> None:
        if isinstance(event, RoundEnded) and event.round in left:
            left.discard(event.round)
            for path in (bench.storage / "jobs" / event.job / "shuffle" / str(event.round)).iterdir():
                data = path.read_bytes()
                path.write_bytes(bytes([*data[:200], data[200] ^ 1, *data[201:]]))

    return damage


def check(bench: Bench, damage: Callable[[Event], None], **settings: int) -> list[int]:
    """The output is that of a direct exchange; returns how many attempts each round took beyond its tasks."""
    direct = bench.run(job(), exchange="direct")
    expected = contents(bench.out)
    merged = bench.run(job(), damage, exchange="two-level", overwrite=True, **settings)
    assert contents(bench.out) == expected
    assert merged.counters == direct.counters
    assert [one.kind for one in merged.rounds] == ["map", "merge", "reduce"]
    first, between, last = merged.rounds
    assert first.records_out == between.records_in == between.records_out == last.records_in
    assert 1 < between.tasks < first.tasks * last.tasks
    bench.check_empty()
    return [one.attempts - one.tasks for one in merged.rounds]


def test_the_same_output(bench: Bench) -> None:
    """Byte for byte, and each piece is read and written once more."""
    assert check(bench, lambda event: None) == [0, 0, 0]


def test_what_does_not_fit_in_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged blocks that memory does not hold go to local disk."""
    monkeypatch.setattr("worker.piles._HELD", 0)
    with_disk = bench.run(job(), executor="inline", exchange="two-level")
    assert with_disk.rounds[1].spilled == with_disk.rounds[1].bytes_out > 0


@pytest.mark.parametrize("rounds", [{0}, {1}, {0, 1}], ids=str)
def test_damage(bench: Bench, rounds: set[int]) -> None:
    """What map tasks or merge tasks wrote, and is lost, is made anew."""
    more = check(bench, flipped(bench, rounds))
    assert (more[0] > 0) == (0 in rounds)
    assert more[1] > 0
    assert (more[2] > 0) == (1 in rounds)


def test_killed_workers(bench: Bench) -> None:
    """A worker that dies in the map round takes nothing along."""
    clean = bench.run(job())
    expected = contents(bench.out)
    result = bench.run(job(Words("kill")), exchange="two-level", overwrite=True)
    assert contents(bench.out) == expected
    assert result.counters == clean.counters
