"""Shuffle data that is lost or damaged on the way is made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driver import Event
from driver.events import RoundEnded
from tests.acceptance.faults import Bench, job

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_process_left")]


@pytest.fixture
def bench(text: Path, storage: Path) -> Bench:
    """Runs jobs."""
    return Bench(text, storage)


def damaged(how: str, bench: Bench, tasks: int = 1) -> Callable[[Event], None]:
    """A callback that damages the shuffle's data when it has all been written, once."""
    done = False

    def damage(event: Event) -> None:
        nonlocal done
        if not isinstance(event, RoundEnded) or done:
            return
        done = True
        found = sorted((bench.storage / "jobs" / event.job / "shuffle").rglob("*.0"))
        assert len(found) >= 6
        for path in found[:tasks]:
            data = path.read_bytes()
            match how:
                case "deleted":
                    path.unlink()
                case "emptied":
                    path.write_bytes(b"")
                case "truncated":
                    path.write_bytes(data[:-1])
                case "a bit flipped":
                    path.write_bytes(bytes([*data[:200], data[200] ^ 1, *data[201:]]))
                case "another's":
                    path.write_bytes(found[-1].read_bytes())

    return damage


@pytest.mark.parametrize("how", ["deleted", "emptied", "truncated", "a bit flipped", "another's"])
def test_damaged_shuffle(bench: Bench, how: str) -> None:
    """Shuffle data that is gone or damaged is made anew by the map task that wrote it, and by no other."""
    result = bench.run(job(), damaged(how, bench))
    bench.check(result)
    bench.check_empty()
    assert {(one.round, one.reason.partition(":")[0], one.retried) for one in bench.failed} == {(1, "LostBlocks", True)}
    assert result.rounds[0].attempts == result.rounds[0].tasks + 1


def test_lost_shuffle(bench: Bench) -> None:
    """All of the shuffle's data can be lost."""
    result = bench.run(job(), damaged("deleted", bench, 99))
    bench.check(result)
    bench.check_empty()
    assert result.rounds[0].attempts == 2 * result.rounds[0].tasks
