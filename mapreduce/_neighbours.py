"""The check that `driver`, `shuffle` and `worker` are ours, not files of the user's that shadow them."""

from __future__ import annotations

import os
from importlib.util import find_spec


def check_neighbours() -> None:
    """Raise one clear ImportError where another module has the name of one of our packages."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for name in ("driver", "shuffle", "worker"):
        spec = find_spec(name)
        if spec is None and name == "driver":
            continue  # in a function, which needs none
        if spec is None:
            raise ImportError(f"the package {name!r} is missing beside {home}: install mapreduce again")
        origin = spec.origin or next(iter(spec.submodule_search_locations or ()), "?")
        if os.path.dirname(os.path.abspath(origin)) != os.path.join(home, name):
            raise ImportError(
                f"{origin} hides the package {name!r} of mapreduce (in {home}): rename that file or folder; the names"
                " mapreduce, driver, shuffle, worker and benchmarks are taken"
            )
