"""Spark's DataFrame: no Python touches a line."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from pyspark.sql.functions import col, concat_ws, explode, split

from ..common import arguments
from ..spark_session import session

if __name__ == "__main__":
    given = arguments()
    spark = session(given.workers)
    words = spark.read.text(given.input).select(explode(split(col("value"), " ")).alias("word"))
    counts = words.where(col("word") != "").groupBy("word").count()
    counts.select(concat_ws("\t", col("word"), col("count").cast("string"))).write.text(given.output)
    spark.stop()
