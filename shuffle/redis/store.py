"""A shuffle store in Redis.

A piece lies in chunks of at most about two megabytes, each a value of its own, so that it spreads over the
nodes: `mapreduce:<job>/<round>/<task>.<attempt>/<number>`. The key without the number has how many there
are, for a sweep. Every key expires. What a node has no room for goes to the object store, if it may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from mapreduce.columns import Buffer
from mapreduce.finding import Finding
from mapreduce.objectstore import Access, ObjectStore
from shuffle.base import AttemptId, Partitioned, Piece, Receipt, ShuffleStore
from shuffle.redis.address import Address, Credentials, parse_address, split_credentials
from shuffle.redis.place import Place, chunk_key, count_key, spare_key

if TYPE_CHECKING:
    from shuffle.redis.nodes import Nodes


class RedisShuffle(ShuffleStore):
    """Keeps an attempt's blocks in Redis; see `shuffle.redis.address` for its URLs.

    Args:
        address: what the URL says.
        credentials: who asks.
        spare: for what does not fit.
    """

    def __init__(self, address: Address, credentials: Credentials, spare: ObjectStore | None = None) -> None:
        super().__init__()
        self.url = address.url
        self._address = address
        self._credentials = credentials
        self._spare = spare if address.spill else None

    @classmethod
    def connect(cls, url: str, access: Access, spare: ObjectStore | None) -> Self:
        url, username, password = split_credentials(url)
        if not (username or password):
            username, password = access.redis_username, access.redis_password
        credentials = Credentials(username, password)
        if access.redis_secret and not password:
            from shuffle.redis.secret import read_secret

            credentials = read_secret(access.redis_secret, username, access.profile)
        return cls(parse_address(url), credentials, spare)

    def check(self, estimate: int) -> list[str]:
        from shuffle.redis.checking import check

        return check(self._address, self._credentials, estimate, spills=self._spare is not None)

    def examine(self) -> Iterable[Finding]:
        from shuffle.redis.examining import examine

        return examine(self._address, self._credentials)

    def write(self, attempt: AttemptId, partitions: Iterable[Partitioned]) -> Receipt:
        from shuffle.redis.writing import Writing

        spare, spilling = self._spare, ExitStack()
        begin = (lambda: spilling.enter_context(spare.create(spare_key(attempt)))) if spare is not None else None
        writing = Writing(self._nodes, attempt, self._address.ttl, begin, self.requests)
        try:
            with spilling:
                return Receipt(writing.write(partitions))
        except BaseException:
            writing.undo()
            raise

    def read(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Buffer]]:
        from shuffle.redis.reading import Reading

        return Reading(self._nodes, self._spare, self.window, self.requests).blocks(pieces)

    def discard(self, receipts: Iterable[Receipt]) -> None:
        """See the contract. What lies on a node that does not answer is left to expire."""
        spilled: set[str] = set()

        def keys() -> Iterator[str]:
            for receipt in receipts:
                attempt = ""
                for piece in receipt.pieces.values():
                    place = Place(*piece.place)
                    attempt = place.attempt
                    yield from (chunk_key(attempt, place.first + number) for number in range(place.chunks))
                    if place.spilled:
                        spilled.add(spare_key(attempt))
                if attempt:
                    yield count_key(attempt)

        self._unlink(keys())
        if self._spare is not None and spilled:
            self._spare.delete(spilled)

    def sweep(self, attempts: Iterable[AttemptId]) -> None:
        """See the contract. What lies on a node that does not answer is left to expire."""
        attempts = list(attempts)
        if not attempts:
            return
        counts = self._nodes.get([count_key(attempt) for attempt in attempts])
        self.requests.add("get")
        self._unlink(
            key
            for attempt, count in zip(attempts, counts, strict=True)
            if count is not None
            for key in (*(chunk_key(attempt, number) for number in range(int(count))), count_key(attempt))
        )
        if self._spare is not None:
            self._spare.delete(map(spare_key, attempts))
            for prefix in {f"{spare_key(attempt).rpartition('/')[0]}/" for attempt in attempts}:
                self._spare.sweep(prefix)

    @property
    def _nodes(self) -> Nodes:
        from shuffle.redis.opening import open_nodes

        return open_nodes(self._address.servers, self._credentials)

    def _unlink(self, keys: Iterable[str]) -> None:
        for _ in self._nodes.unlink(keys):
            self.requests.add("delete")
