"""What a function's cold start costs by our own imports: of the handler, and of what a first task needs more."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.process import with_ours

# What a task whose data are on S3 loads when the handler is there: `tests/acceptance` holds that it is no more.
_SCRIPT = """
import json, sys, time
began = time.perf_counter()
import worker.handler
handler = time.perf_counter()
import blake3, cloudpickle, obstore.store
import mapreduce.objectstore.s3
print(json.dumps([handler - began, time.perf_counter() - handler]))
"""


def imports() -> tuple[float, float]:
    """Seconds that the imports of the handler took in a new process, and those of a first task."""
    told = subprocess.run(
        [sys.executable, "-P", "-c", _SCRIPT],
        stdout=subprocess.PIPE,
        check=True,
        env=with_ours({}),
    ).stdout
    handler, task = json.loads(told)
    return handler, task
