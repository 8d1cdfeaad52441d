"""Dask's bag on its scheduler of processes."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import dask.bag

from ..common import arguments, write_counts

if __name__ == "__main__":
    given = arguments()
    bag = dask.bag.read_text(given.files, encoding="utf-8").map(str.split).flatten().frequencies()
    write_counts(given.output, bag.compute(scheduler="processes", num_workers=given.workers))
