"""A shuffle store in an SQLite file, example:///path/to/file: the example of docs/plugins.md."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager

from mapreduce import LostBlocks, StoreError
from mapreduce.objectstore import Access, ObjectStore
from shuffle import AttemptId, Piece, Receipt, ShuffleStore
from shuffle.base import Partitioned

TABLE = "CREATE TABLE IF NOT EXISTS blocks (attempt, partition, number, data, PRIMARY KEY (attempt, partition, number))"


class SqliteShuffle(ShuffleStore):
    """Keeps blocks in the file at `path`; one attempt writes at a time, and the others wait for it."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.url = f"example://{path}"
        self._path = path

    @classmethod
    def connect(cls, url: str, access: Access, spare: ObjectStore | None) -> SqliteShuffle:
        return cls(url.partition("://")[2])

    def check(self, estimate: int) -> list[str]:
        with self._database():
            return []

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        pieces = {}
        with self._database() as database:
            for partition, records, blocks in partitions:
                size = count = 0
                for block in blocks:
                    row = (str(attempt), partition, count, block)
                    database.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?)", row)
                    size += len(block)
                    count += 1
                if count:
                    place = [str(attempt), partition]
                    pieces[partition] = Piece(attempt.task, attempt.attempt, place, 0, size, count, records)
        receipt = Receipt(pieces)
        self.requests.add("put", written=receipt.size)
        return receipt

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
        sizes = "SELECT count(*), sum(length(data)) FROM blocks WHERE attempt = ? AND partition = ?"
        one = "SELECT data FROM blocks WHERE attempt = ? AND partition = ? AND number = ?"
        with self._database() as database:
            for piece in pieces:
                whole = database.execute(sizes, piece.place).fetchone() == (piece.blocks, piece.size)
                for number in range(piece.blocks):
                    row = database.execute(one, (*piece.place, number)).fetchone()
                    if not whole or row is None:
                        lost = f"map task {piece.task}: not all of {piece.place} is in {self.url} any more"
                        raise LostBlocks(lost, (piece.task,))
                    yield piece, row[0]
                self.requests.add("get", read=piece.size)

    def discard(self, receipts: Iterable[Receipt]) -> None:
        self._delete({piece.place[0] for receipt in receipts for piece in receipt.pieces.values()})

    def sweep(self, attempts: Iterable[AttemptId]) -> None:
        self._delete(set(map(str, attempts)))

    def _delete(self, attempts: set[str]) -> None:
        with self._database() as database:
            database.executemany("DELETE FROM blocks WHERE attempt = ?", [(attempt,) for attempt in attempts])

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The database; what is done with it counts if the context ends well, and otherwise never was."""
        try:
            with closing(sqlite3.connect(self._path, timeout=60)) as database, database:
                database.execute(TABLE)
                yield database
        except sqlite3.Error as error:
            raise StoreError(f"cannot use {self.url}: {error}: it must be a file that all workers may write") from error
