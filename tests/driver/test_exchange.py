"""A two-level exchange moves every piece once, and is chosen where it takes less time."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.exchange import Groups, Load, group, merge_rows, merged_seconds, plan_exchange
from shuffle import Piece, Receipt
from shuffle.base import Costs

S3 = Costs(request=0.002, rate=5_500)


def receipt(task: int, sizes: dict[int, int]) -> Receipt:
    """The receipt of a map task that wrote so many bytes for each partition."""
    return Receipt({partition: Piece(task, 0, f"{task}", partition, size, 1, 1) for partition, size in sizes.items()})


def square(maps: int, partitions: int, size: int) -> list[Receipt]:
    """Receipts of map tasks that wrote the same for each partition, `size` bytes in all."""
    piece = size // (maps * partitions)
    return [receipt(task, dict.fromkeys(range(partitions), piece)) for task in range(maps)]


@given(
    written=st.lists(st.sets(st.integers(0, 8)), min_size=1, max_size=9),
    maps=st.integers(1, 9),
    groups=st.integers(1, 9),
)
def test_rows_hold_every_piece_once(written: list[set[int]], maps: int, groups: int) -> None:
    """A row holds neighbours: a run of map tasks for a run of partitions, in order; no piece is in two."""
    receipts = [receipt(task, dict.fromkeys(partitions, 1)) for task, partitions in enumerate(written)]
    rows = merge_rows(receipts, 9, Groups(min(maps, len(receipts)), groups))
    found = [(partition, task) for row in rows for partition, task, *_ in row]
    assert Counter(found) == Counter((partition, task) for task, some in enumerate(written) for partition in some)
    for partition in range(9):
        # Reading the rows of a partition in turn, the map tasks come as they do directly.
        tasks = [task for row in rows for number, task, *_ in row if number == partition]
        assert tasks == sorted(tasks)
    for row in rows:
        assert [(task, partition) for partition, task, *_ in row] == sorted(
            (task, partition) for partition, task, *_ in row
        )


@given(
    maps=st.integers(1, 3_000),
    partitions=st.integers(1, 3_000),
    size=st.integers(0, 10**13),
    workers=st.integers(1, 3_000),
)
def test_groups_fit_the_square(maps: int, partitions: int, size: int, workers: int) -> None:
    """There are no more groups than tasks or partitions, and a merge task takes no more than it can hold or spill."""
    groups = group(Load(maps, partitions, size), workers)
    assert 1 <= groups.maps <= maps
    assert 1 <= groups.partitions <= partitions
    assert groups.maps * groups.partitions * 256_000_000 >= size or groups.partitions == partitions


@pytest.mark.parametrize(
    ("maps", "partitions", "size", "workers", "two_levels"),
    [
        (8, 8, 10**9, 8, False),
        (200, 200, 65_000_000, 2, True),
        (400, 400, 10**10, 400, True),
        pytest.param(1_000, 1_000, 10**11, 1_000, True, marks=pytest.mark.slow),
        (100, 10, 10**12, 100, False),
        (1_000, 1, 10**9, 1_000, False),
    ],
)
def test_what_is_chosen(maps: int, partitions: int, size: int, workers: int, two_levels: bool) -> None:
    """Many small pieces are merged; few, or large ones, are not."""
    receipts = square(maps, partitions, size)
    assert (plan_exchange(receipts, partitions, workers, S3) is not None) == two_levels


def test_where_requests_cost_nothing() -> None:
    """In a folder, or a Redis that takes many at a time, the exchange is direct."""
    assert plan_exchange(square(200, 200, 65_000_000), 200, 2, Costs()) is None


@pytest.mark.parametrize("receipts", [[], [receipt(0, {})]])
def test_nothing_written(receipts: list[Receipt]) -> None:
    """There is nothing to merge."""
    assert plan_exchange(receipts, 10, 4, S3) is None


def test_requests_of_a_large_square() -> None:
    """1,000 map tasks and 1,000 partitions on as many workers: 66,000 requests in place of a million."""
    load = Load(1_000, 1_000, 10**11)
    groups = group(load, 1_000)
    assert groups == (32, 32)
    assert 1_000 * groups.partitions + groups.maps * groups.partitions + 1_000 * groups.maps < 66_000
    assert merged_seconds(load, groups, 1_000, S3) < 0.2 * S3.seconds(1_000_000, 1_000)
