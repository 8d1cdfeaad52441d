"""Polars: records and their keys as columns of bytes."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import os

from ..arrow import column, joined
from ..common import arguments, part
from ..records import load

if __name__ == "__main__":
    given = arguments()
    os.environ["POLARS_MAX_THREADS"] = str(given.workers)  # read when it is imported
    import polars as pl

    rows = load(given.files)
    frame = pl.DataFrame({"key": pl.from_arrow(column(rows[:, :10])), "record": pl.from_arrow(column(rows))})
    records = frame.sort("key").get_column("record")
    with open(part(given.output), "wb") as file:
        file.write(joined(records.to_arrow(compat_level=pl.CompatLevel.oldest())))
