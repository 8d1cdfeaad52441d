"""Spark's RDD, with records as pairs of bytes in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..common import arguments, part
from ..spark_session import session

if __name__ == "__main__":
    given = arguments()
    output = given.output

    def save(number: int, pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[int]:
        """Write a part."""
        with open(part(output, number), "wb") as file:
            file.writelines(key + rest for key, rest in pairs)
        yield 1

    spark = session(given.workers)
    pairs = spark.sparkContext.binaryRecords(given.input, 100).map(lambda record: (record[:10], record[10:]))
    pairs.sortByKey(numPartitions=given.parts).mapPartitionsWithIndex(save).sum()
    spark.stop()
