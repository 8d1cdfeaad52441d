"""Dask's dataframe on its scheduler of processes, as its bag has no sort."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

from typing import Any

import dask
import dask.dataframe
import numpy as np
import pandas as pd
import pyarrow as pa

from ..arrow import column
from ..common import arguments, part
from ..records import heads, load


def frame(path: str) -> Any:
    """The records of a file, with the first eight bytes of the key and the other two as numbers."""
    rows = load([path])
    tail = np.ascontiguousarray(rows[:, 8:10]).view(">u2").ravel().astype(np.uint16)
    record = pd.arrays.ArrowExtensionArray(pa.chunked_array([column(rows)]))
    return pd.DataFrame({"head": heads(rows), "tail": tail, "record": record})


def save(frame: Any, output: str, partition_info: Any = None) -> Any:
    """Write a part; Dask asks what comes of it with no `partition_info`."""
    if partition_info is not None:
        with open(part(output, partition_info["number"]), "wb") as file:
            file.writelines(frame.sort_values(["head", "tail"])["record"].tolist())
    return pd.DataFrame({"records": [len(frame)]})


if __name__ == "__main__":
    given = arguments()
    with dask.config.set(scheduler="processes", num_workers=given.workers):
        records = dask.dataframe.from_map(frame, given.files).sort_values("head", npartitions=given.parts)
        records.map_partitions(save, given.output, meta={"records": "int64"}).compute()
