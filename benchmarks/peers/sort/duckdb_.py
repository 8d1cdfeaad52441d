"""DuckDB: records and their keys as columns of bytes, ordered in SQL."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from ..arrow import column, joined
from ..common import arguments, part
from ..records import load

if __name__ == "__main__":
    given = arguments()
    rows = load(given.files)
    database = duckdb.connect(config={"threads": given.workers})
    database.register("records", pa.table({"key": column(rows[:, :10]), "record": column(rows)}))
    found: Any = database.execute("SELECT record FROM records ORDER BY key").to_arrow_reader(100_000)
    with open(part(given.output), "wb") as file:
        file.writelines(joined(batch.column(0)) for batch in found)
