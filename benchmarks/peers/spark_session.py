"""A Spark session on this machine."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import os
import sys
from typing import Any

from pyspark.sql import SparkSession


def session(workers: int) -> Any:
    """A session with so many threads, and without the web server."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(f"local[{workers}]")
    for name, value in (
        ("spark.driver.memory", "4g"),
        ("spark.driver.bindAddress", "127.0.0.1"),
        ("spark.ui.enabled", "false"),
        ("spark.sql.shuffle.partitions", str(2 * workers)),
    ):
        builder = builder.config(name, value)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("ERROR")
    return started
