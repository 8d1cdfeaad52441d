"""A merge task: what some map tasks wrote for some partitions, written again in the order of the partitions.

Blocks are checked and sealed anew, never decoded.
"""

from __future__ import annotations

from mapreduce.blocks import reseal_block
from mapreduce.errors import BlockError, LostBlocks
from shuffle.base import AttemptId, Piece, Receipt
from worker.context import Context
from worker.piles import Piles
from worker.sinks import block_context


def run_merge(context: Context) -> Receipt:
    """Run the task; returns what it wrote to the shuffle.

    Raises:
        LostBlocks: blocks are missing or damaged; it names the map task.
    """
    job, round_number, _, _ = attempt = context.payload.attempt
    row = [(partition, Piece(*fields)) for partition, *fields in context.row]
    piles = Piles(context.budget)
    found = context.shuffle().read([piece for _, piece in row])
    for partition, piece in row:
        source = AttemptId(job, round_number - 1, piece.task, piece.attempt)
        for number in range(piece.blocks):
            of, block = next(found, (None, b""))
            if of != piece:
                raise LostBlocks(
                    f"map task {piece.task} wrote {piece.blocks} blocks for partition {partition}, {number} were found",
                    (piece.task,),
                )
            place = block_context(attempt, partition, piles.height(partition))
            try:
                sealed = reseal_block(block, context.seal, block_context(source, partition, number), place)
            except BlockError as error:
                raise LostBlocks(str(error), (piece.task,)) from error
            piles.add(partition, 0 if number else piece.records, sealed)
        context.measured["records_in"] += piece.records
        context.measured["bytes_in"] += piece.size
    return context.shuffle().write(attempt, piles.finish())
