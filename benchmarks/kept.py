"""Generated input that is kept, so that one measures on the same bytes again without making them anew."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable

#: The environment variable that names the folder where input is kept; not MAPREDUCE_..., which are settings alone.
FOLDER = "BENCHMARK_DATA"


def keep(name: str, make: Callable[[str], object], folder: str | None = None) -> list[str]:
    """The files of the folder `name`, in order, which is filled if it is not there yet.

    Args:
        name: of the folder; whoever changes what is made must change it.
        make: fills the new, empty folder that it is given.
        folder: where to keep all of these; by default $BENCHMARK_DATA, else ~/.cache/mapreduce/bench.

    Raises:
        OSError: the files cannot be written.
    """
    folder = folder or os.environ.get(FOLDER) or os.path.join("~", ".cache", "mapreduce", "bench")
    place = os.path.join(os.path.abspath(os.path.expanduser(folder)), name)
    if not os.path.isdir(place):
        unfinished = f"{place}.{os.getpid()}.tmp"
        os.makedirs(unfinished)
        try:
            make(unfinished)
            # Where another process was faster, what it made is the same.
            with contextlib.suppress(OSError):
                os.rename(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return sorted(entry.path for entry in os.scandir(place))
