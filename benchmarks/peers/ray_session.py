"""Ray on this machine."""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import os

# Read when Ray is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray


def start(workers: int) -> None:
    """Start it with so many processes, and without the web server."""
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
    )
