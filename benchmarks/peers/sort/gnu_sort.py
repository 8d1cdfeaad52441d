"""GNU sort, by bytes, of records that are lines."""

from __future__ import annotations

import os
import subprocess

from ..common import arguments, part

if __name__ == "__main__":
    given = arguments()
    command = ["sort", f"--parallel={given.workers}", "--buffer-size=50%", f"--output={part(given.output)}"]
    subprocess.run([*command, *given.files], env={**os.environ, "LC_ALL": "C"}, check=True)
