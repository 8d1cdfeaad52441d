"""Spark's RDD, with a Python function for every line."""

from __future__ import annotations

from operator import add

from ..common import arguments
from ..spark_session import session

if __name__ == "__main__":
    given = arguments()
    spark = session(given.workers)
    lines = spark.sparkContext.textFile(given.input)
    counts = lines.flatMap(lambda line: line.split()).map(lambda word: (word, 1)).reduceByKey(add, 2 * given.workers)
    counts.map(lambda pair: f"{pair[0]}\t{pair[1]}").saveAsTextFile(given.output)
    spark.stop()
