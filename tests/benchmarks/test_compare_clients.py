"""The cost of requests, by client."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.compare.clients import Client, costs, counts_of, find_clients
from benchmarks.compare.places import Place

PLACE = Place(name="S3", url="s3://bucket/prefix")


class Fake(Client):
    """Keeps objects, and counts what is asked of it."""

    lost = 0

    def __init__(self, place: Place) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: Counter[tuple[str, int]] = Counter()
        made.append(self)

    def put(self, key: str, data: bytes) -> None:
        self.objects[key] = data
        self.asked["put", len(data)] += 1

    def get(self, key: str, size: int) -> int:
        self.asked["get", size] += 1
        return len(self.objects[key][:size]) - self.lost

    def delete(self, key: str) -> None:
        del self.objects[key]


class Losing(Fake):
    """Loses a byte."""

    lost = 1


made: list[Fake] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    """No clients of other tests."""
    made.clear()


def test_costs() -> None:
    """Each client puts and gets each size as often as it should, after a first time that does not count."""
    found = costs(PLACE, {10: 3, 2_000: 2}, {"one": Fake, "two": Fake})
    assert [(cost.size, cost.client, cost.operation, cost.requests) for cost in found] == [
        (size, client, operation, requests)
        for size, requests in ((10, 3), (2_000, 2))
        for client in ("one", "two")
        for operation in ("put", "get")
    ]
    assert all(cost.cpu >= 0 and cost.seconds > 0 for cost in found)
    for client in made:
        assert client.asked == {("put", 10): 4, ("get", 10): 4, ("put", 2_000): 3, ("get", 2_000): 3}
        assert client.objects == {}


def test_a_client_that_loses_bytes() -> None:
    """It is no client to measure, and nothing of it is left."""
    with pytest.raises(RuntimeError, match="losing got 9 of the 10 bytes"):
        costs(PLACE, {10: 3}, {"losing": Losing})
    assert made[0].objects == {}


def test_clients() -> None:
    """Both that the stores use are there."""
    assert list(find_clients())[:2] == ["obstore", "boto3"]


def test_counts() -> None:
    """Fewer large objects, but one at least."""
    assert list(counts_of(300).values()) == [300, 300, 60, 7]
    assert list(counts_of(1).values()) == [1, 1, 1, 1]
