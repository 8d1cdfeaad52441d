"""Polars' streaming engine: lines split, exploded and grouped."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import os

from ..common import arguments, part

if __name__ == "__main__":
    given = arguments()
    os.environ["POLARS_MAX_THREADS"] = str(given.workers)  # read when it is imported
    import polars as pl

    words = pl.scan_lines(given.files).select(pl.col("line").str.split(" ").explode().alias("word"))
    counts = words.filter(pl.col("word") != "").group_by("word").agg(pl.len())
    counts.sink_csv(part(given.output), include_header=False, separator="\t", quote_style="never", engine="streaming")
