"""`python -m benchmarks.compare` is `mapreduce bench compare`."""

from __future__ import annotations

import sys

from driver.cli import main

if __name__ == "__main__":
    main(["bench", "compare", *sys.argv[1:]])
