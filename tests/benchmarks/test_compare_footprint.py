"""Memory of clients of Redis, measured in processes of their own."""

from __future__ import annotations

import pytest

from benchmarks.compare.footprint import TARGET, Store, footprint
from benchmarks.compare.places import Place
from shuffle import Receipt
from tests.services.redis_servers import Keys, standalone

pytestmark = [pytest.mark.process, pytest.mark.slow]


class Twice(Store):
    """Holds what it reads twice, but for a value that it loses."""

    def read(self, where: Receipt) -> int:
        held = [bytes(block) for _, block in self._store.read(list(where.pieces.values())[1:])]
        copies = [bytearray(block) for block in held]
        return sum(map(len, copies))


@pytest.fixture
def place() -> Place:
    """A Redis without any key."""
    server = standalone()
    Keys([server.client()]).flush()
    return Place(name="Redis", url=server.url)


def test_memory_of_clients(place: Place) -> None:
    """A client that holds bytes takes little more than these, and nothing is left of what was measured."""
    found = footprint(place, size=48 << 20)
    assert (found.size, found.difference) == (48 << 20, "")
    for times in (*found.store.values(), *found.alone.values()):
        assert 0.9 < times <= TARGET
    assert Keys([standalone().client()]).names() == set()


def test_a_client_that_takes_twice_as_much(place: Place) -> None:
    """It is seen, and so is what did not come back."""
    found = footprint(place, size=16 << 20, store=Twice)
    assert found.store["read"] > TARGET > found.alone["read"]
    assert found.difference.startswith("15,729,")
    assert Keys([standalone().client()]).names() == set()
