"""What a driver lays into the storage before a job's first round: code, side files, a description."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

import mapreduce
from driver.executors.base import Surroundings
from driver.packaging import Package
from mapreduce.errors import ConfigError
from mapreduce.job import Job, named_files
from mapreduce.objectstore import ObjectStore
from mapreduce.seal import Seal
from worker.layout import code_key, file_key, job_key


class Shipping:
    """Puts objects of one job.

    Args:
        job: its id.
        storage: where to.
        seal: of the job.
        written: takes each key before anything is written there.
    """

    def __init__(self, job: str, storage: ObjectStore, seal: Seal, written: list[str]) -> None:
        self._job = job
        self._storage = storage
        self._seal = seal
        self._written = written

    def code(self, code: Package, *, bundled: bool) -> tuple[list[str], str]:
        """Put the code; returns the keys of the stages, and of the bundle, or "" if there is none or need be none."""
        bundle = self._piece(code.bundle) if bundled and code.bundle else ""
        return list(map(self._piece, code.stages)), bundle

    def stages(self, stages: bytes) -> str:
        """Put stages, pickled, that are not those that the job began with; returns their key."""
        return self._piece(stages)

    def libraries(self, requirements: Sequence[str], where: Surroundings) -> str:
        """Put the bundle of libraries that are required, unless it is there; returns its key, or "" without any.

        Raises:
            CodeError: it cannot be built, or is too large for workers.
        """
        if not requirements:
            return ""
        from driver.bundles import check_room, make_bundle
        from driver.libraries import put_bundle

        bundle = make_bundle(requirements, where.machine)
        check_room(bundle, where.disk)
        # Other jobs use it too, so it stays, and is not among what this job wrote.
        return put_bundle(self._storage, bundle)

    def files(self, job: Job[Any, Any, Any, Any, Any]) -> dict[str, str]:
        """Put a job's side files; returns their keys by name.

        Raises:
            ConfigError: one cannot be read.
        """
        keys = {}
        for name, path in named_files(job.files).items():
            try:
                with open(path, "rb") as file:
                    key = file_key(self._job, hashlib.file_digest(file, "sha256").hexdigest())
                    file.seek(0)
                    self._written.append(key)
                    with self._storage.create(key) as writer:
                        while data := file.read(1 << 20):
                            writer.write(data)
            except OSError as error:
                raise ConfigError(f"files: cannot read the side file {path}: {error.strerror}") from None
            keys[name] = key
        return keys

    def description(self, jobs: Sequence[Job[Any, Any, Any, Any, Any]], **fields: Any) -> None:
        """Put what people may want to read of the jobs; no secret is in it."""
        description = {
            "job": self._job,
            "version": mapreduce.__version__,
            "jobs": [repr(job) for job in jobs],
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **fields,
        }
        self._put(job_key(self._job), json.dumps(description, indent=1).encode())

    def _piece(self, piece: bytes) -> str:
        key = code_key(self._job, hashlib.sha256(piece).hexdigest())
        return self._put(key, self._seal.wrap(key, piece))

    def _put(self, key: str, data: bytes) -> str:
        self._written.append(key)
        self._storage.put(key, data)
        return key
