"""Ray Data's sort of a column of keys."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import pyarrow as pa
import ray

from ..arrow import column, joined
from ..common import arguments, part
from ..ray_session import start
from ..records import load


def table(paths: dict[str, Any]) -> Any:
    """The records of files, and their keys."""
    rows = load(paths["path"].tolist())
    return pa.table({"key": column(rows[:, :10]), "record": column(rows)})


if __name__ == "__main__":
    given = arguments()
    start(given.workers)
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = ray.data.from_items([{"path": path} for path in given.files], override_num_blocks=len(given.files))
    records = files.map_batches(table, batch_size=None).sort("key")
    for number, batch in enumerate(records.iter_batches(batch_format="pyarrow", batch_size=None)):
        with open(part(given.output, number), "wb") as file:
            file.writelines(joined(chunk) for chunk in batch["record"].chunks)
    ray.shutdown()
