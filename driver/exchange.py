"""The exchange between map and reduce: direct, or in two levels where many small pieces would cost too much.

Directly, each reduce task reads its piece of what each map task wrote: maps times partitions requests.
In two levels a round of merge tasks stands between them. Each takes what a group of map tasks wrote for a
group of partitions, which lies together in each map task's object, and writes it in the order of the
partitions: with a groups of map tasks and b of partitions that is maps x b + a x b + partitions x a
requests, for moving all bytes once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from shuffle.base import Costs, Receipt

# Requests of one attempt beside its data: code, row, commit record, a new object.
_REQUESTS = 6
# Seconds that a round costs beside its tasks: starting them, and the barrier.
_ROUND = 0.5
# Bytes that one worker reads or writes in a second, and that one merge task takes at most: it is held or spilled.
_RATE, _MOST = 50e6, 256_000_000


class Groups(NamedTuple):
    """How many groups the map tasks form, and the partitions."""

    maps: int
    partitions: int


class Load(NamedTuple):
    """What is exchanged: how many map tasks wrote something, for how many partitions, and how many bytes."""

    maps: int
    partitions: int
    size: int


def plan_exchange(receipts: Sequence[Receipt], partitions: int, workers: int, costs: Costs) -> Groups | None:
    """The groups of a two-level exchange; None where the direct one is expected to take less time.

    Args:
        receipts: of the map tasks.
        partitions: number of reduce tasks.
        workers: how many attempts run at once.
        costs: what requests to the shuffle store cost.
    """
    pieces = sum(len(receipt.pieces) for receipt in receipts)
    if not pieces:
        return None
    load = Load(len(receipts), partitions, sum(receipt.size for receipt in receipts))
    direct = costs.seconds(pieces, min(workers, partitions))
    groups = group(load, workers)
    return groups if merged_seconds(load, groups, workers, costs) < direct else None


def group(load: Load, workers: int) -> Groups:
    """Groups for about a merge task for each worker, more where they would be too large, in a square."""
    tasks = max(workers, -(-load.size // _MOST))
    maps = min(load.maps, math.ceil(math.sqrt(tasks)))
    return Groups(maps, min(load.partitions, -(-tasks // maps)))


def merged_seconds(load: Load, groups: Groups, workers: int, costs: Costs) -> float:
    """Seconds that merging, and reading what was merged, are expected to take."""
    tasks = groups.maps * groups.partitions
    merging = costs.seconds(load.maps * groups.partitions + tasks * _REQUESTS, min(workers, tasks))
    moving = 2 * load.size / _RATE / min(workers, tasks)
    reading = costs.seconds(load.partitions * groups.maps, min(workers, load.partitions))
    return _ROUND + merging + moving + reading


def merge_rows(receipts: Sequence[Receipt], partitions: int, groups: Groups) -> list[list[list[Any]]]:
    """A row for each merge task: partition and piece, for the map tasks of its group in turn.

    Groups differ by one task at most; where nothing was written rows are empty.
    """
    rows: list[list[list[Any]]] = [[] for _ in range(groups.maps * groups.partitions)]
    for number, receipt in enumerate(receipts):
        first = number * groups.maps // len(receipts) * groups.partitions
        for partition in sorted(receipt.pieces):
            row = rows[first + partition * groups.partitions // partitions]
            row.append([partition, *receipt.pieces[partition]])
    return rows
