"""What requests cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

#: AWS's list prices of requests to S3 Standard in us-east-1, in US dollars for 1,000, by kind of request here:
#: those of PUT, COPY, POST and LIST, of GET and HEAD, and of DELETE, which is free.
S3_STANDARD: Mapping[str, Decimal] = {
    "put": Decimal("0.005"),
    "list": Decimal("0.005"),
    "move": Decimal("0.005"),
    "get": Decimal("0.0004"),
    "size": Decimal("0.0004"),
    "delete": Decimal(0),
}
#: Where these prices stand, and when they were taken down.
SOURCE = "https://aws.amazon.com/s3/pricing/, S3 Standard, us-east-1, November 2026"

#: What is said of stores whose requests have no price, by kind.
FREE = {"redis": "0, node by the hour", "file": "0"}


def price(requests: Mapping[str, int]) -> Decimal:
    """US dollars for requests to S3, by kind; bytes moved within the region are free.

    Raises:
        KeyError: a kind of request has no price here.
    """
    return sum(
        (S3_STANDARD[kind] * count / 1000 for kind, count in requests.items() if not kind.startswith("bytes_")),
        Decimal(0),
    )
