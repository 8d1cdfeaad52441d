"""What a shuffle through S3 asks of the service, and what it makes of damage on the way."""

from __future__ import annotations

import pytest

from mapreduce import BlockError, LostBlocks
from mapreduce.blocks import Block, decode_block
from mapreduce.objectstore.s3 import S3Store
from shuffle import ObjectShuffle, Receipt
from shuffle.testing import SEAL, attempt, block, blocks_of, partitioned
from tests.services.http_proxy import Proxy, corrupt, script

pytestmark = pytest.mark.process


@pytest.mark.parametrize(("maps", "reduces"), [(6, 7), (1, 1), (3, 40)])
def test_requests_of_a_shuffle(proxy: Proxy, store: S3Store, maps: int, reduces: int) -> None:
    """M maps and R reduces take M writes and M x R reads; no listing, and no look at sizes."""
    shuffle = ObjectShuffle(store)
    job = attempt().job
    layouts = [
        {partition: [block(f"{task}.{partition}.{number}") for number in range(3)] for partition in range(reduces)}
        for task in range(maps)
    ]
    receipts = [shuffle.write(attempt(task, job=job), partitioned(layout)) for task, layout in enumerate(layouts)]
    for partition in range(reduces):
        pieces = [receipt.pieces[partition] for receipt in receipts]
        assert blocks_of(shuffle, pieces) == [one for layout in layouts for one in layout[partition]]
    assert proxy.counts() == {"put": maps, "ranged get": maps * reduces}
    shuffle.discard(receipts)
    assert proxy.counts() == {"put": maps, "ranged get": maps * reduces, "delete many": 1}


def test_neighbours_are_read_together(proxy: Proxy, store: S3Store) -> None:
    """Pieces that lie side by side in an object cost one request."""
    shuffle = ObjectShuffle(store)
    receipt = shuffle.write(attempt(), partitioned({number: [block(str(number))] for number in range(9)}))
    wanted = (2, 3, 4, 7, 8)
    assert blocks_of(shuffle, [receipt.pieces[number] for number in wanted]) == [block(str(n)) for n in wanted]
    assert proxy.counts() == {"put": 1, "ranged get": 2}


def decoded(shuffle: ObjectShuffle, receipt: Receipt) -> Block:
    """The one block of partition 0."""
    [data] = blocks_of(shuffle, [receipt.pieces[0]])
    return decode_block(data, SEAL, "contract")


@pytest.mark.parametrize("position", [0, 9, 40, -1])
def test_damage_on_the_way(proxy: Proxy, store: S3Store, position: int) -> None:
    """A byte that changes on the way makes no other records: the block is refused, wherever the byte was."""
    shuffle = ObjectShuffle(store)
    receipt = shuffle.write(attempt(), partitioned({0: [block("text" * 100)]}))
    proxy.script = script(corrupt(position), "ranged get")
    with pytest.raises((BlockError, LostBlocks)):
        decoded(shuffle, receipt)
    assert list(decoded(shuffle, receipt).keys) == ["text" * 100]
