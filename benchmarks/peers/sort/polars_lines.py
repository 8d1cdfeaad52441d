"""Polars' streaming engine: records that are lines."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import os

from ..common import arguments, part

if __name__ == "__main__":
    given = arguments()
    os.environ["POLARS_MAX_THREADS"] = str(given.workers)  # read when it is imported
    import polars as pl

    lines = pl.scan_lines(given.files).sort("line")
    lines.sink_csv(
        part(given.output), include_header=False, quote_style="never", line_terminator="\r\n", engine="streaming"
    )
