"""What a validator finds in a sequence of records; summaries of adjacent sequences add up to that of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

#: Records out of order that a summary tells one by one.
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A record whose key is less than that of the one before it.

    Attributes:
        index: of the record, from 0.
        key: its key.
        before: the key of the record before it.
    """

    index: int
    key: bytes
    before: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What the sort benchmark's validator finds in a sequence of records.

    Attributes:
        records: how many there are.
        checksum: the sum of their CRC-32.
        duplicates: records whose key is that of the one before.
        unordered: records whose key is less than that of the one before.
        misplaced: the first SHOWN of these.
        first: the first record's key; empty if there is none.
        last: the last record's key; empty if there is none.
    """

    records: int = 0
    checksum: int = 0
    duplicates: int = 0
    unordered: int = 0
    misplaced: tuple[Misplaced, ...] = ()
    first: bytes = b""
    last: bytes = b""

    def __add__(self, other: Summary) -> Summary:
        """The summary of these records and then of the other ones."""
        if not self.records or not other.records:
            return self if self.records else other
        seam = (Misplaced(self.records, other.first, self.last),) if self.last > other.first else ()
        moved = (replace(one, index=self.records + one.index) for one in other.misplaced)
        return Summary(
            records=self.records + other.records,
            checksum=self.checksum + other.checksum,
            duplicates=self.duplicates + (self.last == other.first) + other.duplicates,
            unordered=self.unordered + len(seam) + other.unordered,
            misplaced=tuple(islice((*self.misplaced, *seam, *moved), SHOWN)),
            first=self.first,
            last=other.last,
        )
