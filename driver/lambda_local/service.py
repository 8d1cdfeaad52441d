"""The service: its parts put together, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

from aiohttp import web

from driver.lambda_local.api import API
from driver.lambda_local.events import Events
from driver.lambda_local.faults import Fault, Faults
from driver.lambda_local.functions import Function, Functions
from driver.lambda_local.invoke import Invoke
from driver.lambda_local.logs import Logs
from driver.lambda_local.places import Places
from driver.lambda_local.pool import Pool
from driver.lambda_local.reaper import Reaper
from driver.lambda_local.remote import Remote
from driver.lambda_local.sandbox import Sandbox

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# What AWS gives every function; nobody checks these.
_ANY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "lambda-local", "AWS_SECRET_ACCESS_KEY": "lambda-local"}


class LambdaLocal:
    """A Lambda service on this machine, from `with` to the end of its block.

    Args:
        port: to listen at, on 127.0.0.1; 0: a free one.
        s3_endpoint: the S3 service of functions, of code and of failure records; "": AWS's.
        faults: what goes wrong.
        concurrency: how many invocations may run at once, all functions together.
        site_packages: whether functions find all packages of this Python. Otherwise, as on AWS, they find
            what is in their zip file, boto3, and the runtime client.
        idle: seconds after which a sandbox that nobody uses is ended.
        watch: seconds between two looks at the memory of sandboxes that run something.
        retry_delays: seconds before an event's second and third attempt; AWS's are 60 and 120.
        clock: tells, in seconds, how old events are.
        init_timeout: seconds that the start of a sandbox may take; AWS's are 10, with a processor for each.
        logs: folder for the logs; "": one that goes with the service.
        environ: credentials and region come from here, as AWS_ACCESS_KEY_ID and so on.
        variables: more environment variables for every sandbox.

    Attributes:
        url: the endpoint URL for clients of Lambda and CloudWatch Logs.
        faults: may be added to at any time.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        s3_endpoint: str = "",
        faults: Iterable[Fault] = (),
        concurrency: int = 100,
        site_packages: bool = False,
        idle: float = 300.0,
        watch: float = 0.02,
        retry_delays: Sequence[float] = (1.0, 2.0),
        clock: Callable[[], float] = time.monotonic,
        init_timeout: float = 60.0,
        logs: str | os.PathLike[str] = "",
        environ: Mapping[str, str] = os.environ,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.url = ""
        self.faults = Faults(faults)
        self._port = port
        self._s3_endpoint = s3_endpoint
        self._concurrency = concurrency
        self._site_packages = site_packages
        self._idle = idle
        self._watch = watch
        self._retry_delays = retry_delays
        self._clock = clock
        self._init_timeout = init_timeout
        self._logs = os.fspath(logs)
        self._environ = environ
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self._variables = dict(variables or {})
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self.url = "http://{}:{}".format(*listener.getsockname())
        self._home = tempfile.mkdtemp(prefix="lambda-local-")
        self._reaper = Reaper(self._home)
        try:
            self._pool, self._events, self._invoke, application = self._assemble()
        except BaseException:
            listener.close()
            self._reaper.close()
            raise
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(application, listener),), name="lambda-local", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._reaper.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes of the sandboxes."""
        return self._pool.pids

    def _assemble(self) -> tuple[Pool, Events, Invoke, web.Application]:
        logs = Logs(self._logs or os.path.join(self._home, "logs"))
        places = Places(self._home, logs, self._reaper, self._given(), site_packages=self._site_packages)
        remote = Remote(self._s3_endpoint, self._region, self._environ)
        functions = Functions(self._region, "000000000000")

        def new(function: Function, gone: Callable[[Sandbox], None]) -> Sandbox:
            return Sandbox(function, places, gone, self._init_timeout)

        pool = Pool(new, self.faults, limit=self._concurrency, idle=self._idle, watch=self._watch)
        events = Events(pool, remote, self._retry_delays, self._clock)
        invoke = Invoke(functions, pool, events, self.faults)
        api = API(functions, pool, places, remote, self.faults)
        return pool, events, invoke, api.application(invoke)

    def _given(self) -> dict[str, str]:
        """What every sandbox has in its environment."""
        credentials = {name: self._environ[name] for name in _CREDENTIALS if self._environ.get(name)}
        endpoints = {"AWS_ENDPOINT_URL": self._s3_endpoint} if self._s3_endpoint else {}
        return {
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            **(credentials or _ANY_CREDENTIALS),
            **endpoints,
            "AWS_ENDPOINT_URL_LAMBDA": self.url,
            "AWS_ENDPOINT_URL_LOGS": self.url,
            **self._variables,
        }

    async def _serve(self, application: web.Application, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.001)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        watch = asyncio.create_task(self._pool.watch())
        self._ready.set()
        await self._stop.wait()
        watch.cancel()
        await self._events.close()
        await self._invoke.close()
        await self._pool.close()
        await runner.cleanup()
