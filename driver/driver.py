"""The driver: where and how jobs run."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any, Self, TypeVar, overload

from driver.events import Callback, Event
from driver.executors import Executor, make_executor
from driver.inputs import Inputs
from driver.notebook import Notebook
from driver.result import Result
from driver.run import JobRun
from driver.settings import Settings
from mapreduce.errors import ConfigError
from mapreduce.job import Job
from mapreduce.objectstore.registry import split_url

K2 = TypeVar("K2")
V2 = TypeVar("V2")


class Driver:
    """Runs jobs; holds the settings that they share, and the workers, which jobs use one after the other.

    Settings that are not given come from the environment (MAPREDUCE_WORKERS and so on), then from
    mapreduce.toml in the working folder or in ~/.config, then from defaults. Several threads may run
    jobs at once. Close the driver, or use it as a context, to end its workers; they end with the
    program otherwise.

    Args:
        executor: "local": processes of this machine; "inline": this process, for debuggers; "lambda": a
            function on AWS Lambda, which `mapreduce deploy` makes.
        workers: how many attempts run at once; by default one for each processor, but at least 2; on AWS
            Lambda as many as the account may run.
        memory: what one worker may use, like "512MB"; on AWS Lambda that is the size of the function.
        split_size: how much input, at most, one map task reads, like "128MB".
        partitions: number of reduce tasks of jobs that do not say it; by default by the size of the input.
        storage: folder or URL for control keys, and for results without an output folder.
        shuffle: folder or URL for the data between map and reduce; by default in `storage`.
        endpoint_url: of the S3 service, where it is not AWS.
        profile: of the AWS configuration files, for credentials.
        redis_username: of a Redis ACL user.
        redis_password: of Redis; it may stand in the shuffle's URL too.
        redis_secret: where the password of Redis is found, as "ssm:NAME" or "secretsmanager:NAME"; on AWS
            Lambda the only way.
        exchange: "direct"; "two-level": a round of merge tasks between map and reduce makes requests few;
            "auto": what is expected to take less time.
        retries: how many times a task that failed is tried again.
        timeout: seconds that one attempt may take; 0 for any.
        requirements: libraries that workers are to have: a requirements file, or a list of its lines.
        function: name or ARN of the function on AWS Lambda.
        region: of AWS, for the function.
        invoke: "event", or "request" to wait for each attempt's end by the connection that started it.
        patience: seconds for which the driver tries again while a store cannot be reached.
        state: folder for what the driver keeps of its jobs on this machine; by default ~/.local/state/mapreduce.
        overwrite: whether an earlier result in an output folder may be replaced.
        keep_intermediates: whether to keep code, control keys and shuffle data of jobs.
        callbacks: functions that are called with each event.

    Raises:
        ConfigError: a setting cannot be used.
    """

    def __init__(
        self,
        *,
        executor: str | None = None,
        workers: int | None = None,
        memory: int | str | None = None,
        split_size: int | str | None = None,
        partitions: int | None = None,
        storage: str | os.PathLike[str] | None = None,
        shuffle: str | os.PathLike[str] | None = None,
        endpoint_url: str | None = None,
        profile: str | None = None,
        redis_username: str | None = None,
        redis_password: str | None = None,
        redis_secret: str | None = None,
        exchange: str | None = None,
        retries: int | None = None,
        timeout: float | None = None,
        requirements: str | os.PathLike[str] | Sequence[str] | None = None,
        function: str | None = None,
        region: str | None = None,
        invoke: str | None = None,
        patience: float | None = None,
        state: str | os.PathLike[str] | None = None,
        overwrite: bool | None = None,
        keep_intermediates: bool | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.settings = Settings.load(
            {
                "executor": executor,
                "workers": workers,
                "memory": memory,
                "split_size": split_size,
                "partitions": partitions,
                "storage": storage,
                "shuffle": shuffle,
                "endpoint_url": endpoint_url,
                "profile": profile,
                "redis_username": redis_username,
                "redis_password": redis_password,
                "redis_secret": redis_secret,
                "exchange": exchange,
                "retries": retries,
                "timeout": timeout,
                "requirements": requirements,
                "function": function,
                "region": region,
                "invoke": invoke,
                "patience": patience,
                "state": state,
                "overwrite": overwrite,
                "keep_intermediates": keep_intermediates,
            }
        )
        self._callbacks = tuple(callbacks)
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._finalizer: weakref.finalize[..., Driver] | None = None

    @overload
    def run(
        self,
        job: Job[Any, Any, Any, K2, V2],
        inputs: Inputs,
        output: str | os.PathLike[str] | None = None,
        partitions: int | None = None,
    ) -> Result[K2, V2]: ...

    @overload
    def run(
        self,
        job: Sequence[Job[Any, Any, Any, Any, Any]],
        inputs: Inputs,
        output: str | os.PathLike[str] | None = None,
        partitions: int | None = None,
    ) -> Result[Any, Any]: ...

    def run(
        self,
        job: Job[Any, Any, Any, Any, Any] | Sequence[Job[Any, Any, Any, Any, Any]],
        inputs: Inputs,
        output: str | os.PathLike[str] | None = None,
        partitions: int | None = None,
    ) -> Result[Any, Any]:
        """Run a job to its end.

        Args:
            job: a job, or a chain of jobs: the pairs of each are the records of the next.
            inputs: a file, folder or glob, or a list of these.
            output: folder for the output's parts; without one the pairs stay with the result.
            partitions: number of reduce tasks, and so of parts, of every job that has a reducer.

        Returns:
            The pairs, counters and metrics.

        Raises:
            ConfigError: an argument cannot be used.
            InputError: the input is absent or not in its format.
            OutputError: the output folder is not empty, or cannot be written.
            CodeError: something of the job cannot be shipped.
            TaskError: a task failed in all its attempts.
        """
        jobs = list(job) if isinstance(job, Sequence) else [job]
        for one in jobs:
            if not isinstance(one, Job):
                raise ConfigError(f"Driver.run takes a Job or a list of Jobs, not {one!r}")
        if not jobs:
            raise ConfigError("Driver.run was given an empty list of jobs")
        if partitions is not None and (not isinstance(partitions, int) or partitions < 1):
            raise ConfigError(f"partitions must be an int of 1 or more, not {partitions!r}")
        place = None
        if output is not None:
            scheme, place = split_url(os.fspath(output))
            place = place if scheme == "file" else os.fspath(output)
        return JobRun(jobs, self.settings, self._workers(), self._notify).run(inputs, place, partitions)

    def resume(self, job: str) -> Result[Any, Any]:
        """Bring a job to its end whose driver has died, or has lost its stores: by the same user, on the same machine.

        What was committed is taken over, and what is left runs as this driver's settings say; storage,
        shuffle and output are the job's own.

        Args:
            job: id of the job.

        Returns:
            The same as `run` would have; counts of attempts and seconds are those since it was resumed.

        Raises:
            JobError: it runs, has ended, was cancelled, or is not known here; the message says what to do.
            CodeError: its code does not load here.
            TaskError: a task failed in all its attempts.
        """
        notebook = Notebook.take(self.settings.state, job)
        settings = self.settings.going_on(notebook.fields.get("settings", {}))
        return JobRun([], settings, self._workers(), self._notify, notebook).resume()

    def close(self) -> None:
        """End the workers, and with them what they are doing."""
        if self._finalizer is not None:
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _workers(self) -> Executor:
        with self._lock:
            if self._executor is None or (self._finalizer is not None and not self._finalizer.alive):
                settings = self.settings
                self._executor = make_executor(settings)
                self._finalizer = weakref.finalize(self, self._executor.close)
            return self._executor

    def _notify(self, event: Event) -> None:
        for callback in self._callbacks:
            callback(event)
