"""The peers: which there are, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A script of this folder.

    Attributes:
        name: what `--only` calls it.
        script: its module.
        package: the distribution that it needs; "" for the standard library alone.
        module: a module of that distribution.
        program: a program that it needs too.
        slow: whether one run is enough to see that.
    """

    name: str
    script: str
    package: str = ""
    module: str = ""
    program: str = ""
    slow: bool = False

    def probe(self) -> str:
        """Code that prints the framework's version, or fails where it is not installed."""
        if not self.package:
            return "import platform; print('Python', platform.python_version())"
        lines = [f"import importlib.metadata, {self.module}, shutil, sys"]
        if self.program:
            lines.append(f"shutil.which('{self.program}') or sys.exit('it needs {self.program}')")
        lines.append(f"print(importlib.metadata.version('{self.package}'))")
        return "\n".join(lines)


OURS = Peer(name="ours", script="ours")
PEERS = {
    peer.name: peer
    for peer in (
        Peer(name="pool_counter", script="pool_counter"),
        Peer(name="lithops", script="lithops_", package="lithops", module="lithops"),
        Peer(name="dask_bag", script="dask_bag", package="dask", module="dask.bag"),
        Peer(name="spark_rdd", script="spark_rdd", package="pyspark", module="pyspark", program="java"),
        Peer(name="spark_dataframe", script="spark_dataframe", package="pyspark", module="pyspark", program="java"),
        Peer(name="mrjob", script="mrjob_", package="mrjob", module="mrjob", slow=True),
    )
}
