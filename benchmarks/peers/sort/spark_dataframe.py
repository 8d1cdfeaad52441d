"""Spark's DataFrame, over records that are lines: it reads no others."""

from __future__ import annotations

from ..common import arguments
from ..spark_session import session

if __name__ == "__main__":
    given = arguments()
    spark = session(given.workers)
    lines = spark.read.option("lineSep", "\n").text(given.input)
    lines.sort("value").write.option("lineSep", "\n").text(given.output)
    spark.stop()
