"""The peers: which there are, and what each needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mapreduce import ConfigError


@dataclass(frozen=True)
class Peer:
    """A script of a folder here.

    Attributes:
        script: its module, "words.pool_counter" for example; the folder says what it does.
        modules: what it imports that the standard library does not have, the framework first.
        program: a program that it needs too.
        layout: of the records that it sorts.
        ours: whether it is of this package, and runs with this interpreter.
    """

    script: str
    modules: Sequence[str] = ()
    program: str = ""
    layout: str = "binary"
    ours: bool = False

    @property
    def what(self) -> str:
        """What it does: "words" or "sort"."""
        return self.script.partition(".")[0]

    @property
    def name(self) -> str:
        """What `--only` calls it."""
        return self.script.partition(".")[2].rstrip("_")

    def probe(self) -> str:
        """Code that prints a version, or fails where something is not installed."""
        told = "'Python', platform.python_version()"
        lines = ["import importlib.metadata, platform, shutil, subprocess, sys"]
        lines += [f"import {module}" for module in self.modules]
        if self.program:
            lines.append(f"shutil.which('{self.program}') or sys.exit('it needs {self.program}')")
            told = f"subprocess.check_output(['{self.program}', '--version'], text=True).splitlines()[0]"
        if self.modules:
            package = self.modules[0].partition(".")[0]
            told = f"'{package}', importlib.metadata.version('{package}')"
        return "\n".join([*lines, f"print({told})"])


#: This package, for each of what is done: whoever is compared is compared with all of these.
OURS = {
    "words": (Peer("words.ours", ours=True), Peer("words.ours_batch", ours=True)),
    "sort": (Peer("sort.ours", ours=True),),
}
PEERS = (
    Peer("words.ours_records", ours=True),
    Peer("words.pool_counter"),
    Peer("words.duckdb_", ["duckdb"]),
    Peer("words.polars_", ["polars"]),
    Peer("words.lithops_", ["lithops"]),
    Peer("words.dask_bag", ["dask.bag"]),
    Peer("words.ray_tasks", ["ray"]),
    Peer("words.spark_rdd", ["pyspark"], "java"),
    Peer("words.spark_dataframe", ["pyspark"], "java"),
    Peer("words.mrjob_", ["mrjob"]),
    Peer("sort.numpy_pool", ["numpy"]),
    Peer("sort.duckdb_", ["duckdb", "numpy", "pyarrow"]),
    Peer("sort.polars_", ["polars", "numpy", "pyarrow"]),
    Peer("sort.ray_tasks", ["ray", "numpy"]),
    Peer("sort.ray_data", ["ray.data", "numpy", "pyarrow"]),
    Peer("sort.lithops_", ["lithops", "numpy"]),
    Peer("sort.spark_rdd", ["pyspark"], "java"),
    Peer("sort.dask_dataframe", ["dask.dataframe", "numpy", "pyarrow"]),
    Peer("sort.gnu_sort", program="sort", layout="ascii"),
    Peer("sort.duckdb_lines", ["duckdb"], layout="ascii"),
    Peer("sort.polars_lines", ["polars"], layout="ascii"),
    Peer("sort.spark_dataframe", ["pyspark"], "java", layout="ascii"),
)


def choose(what: Sequence[str], names: Sequence[str] | None) -> list[Peer]:
    """The peers that do one of `what` and have one of `names`; of any name without names.

    Raises:
        ConfigError: nobody does that, or no peer that does has that name.
    """
    for one in what:
        if one not in OURS:
            raise ConfigError(f"--what: there is no {one!r}; there are {', '.join(OURS)}")
    able = [peer for peer in PEERS if peer.what in what]
    known = dict.fromkeys(peer.name for peer in able)
    for name in names or ():
        if name not in known:
            raise ConfigError(f"--only: there is no peer {name!r}; there are {', '.join(known)}")
    return [peer for peer in able if names is None or peer.name in names]
