"""The stores that are compared, and how they are reached."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from driver.settings import Settings
from mapreduce import ConfigError, MapReduceError
from mapreduce.objectstore import Access
from mapreduce.objectstore.registry import split_url
from shuffle import open_shuffle

# Bytes that are written at a time to have the page cache ready.
_SCRATCH = (1 << 20, 4 << 20, 16 << 20)
#: What is said of a kind of store of which there is none.
ABSENT = {
    "s3": "not compared: name one by --s3 s3://bucket/prefix, or let --local-services start one",
    "redis": "not compared: name one by --redis redis://host:6379, or let --local-services start one",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A shuffle store to compare.

    Attributes:
        name: in tables.
        url: of the store, without credentials.
        access: how it is reached.
        environ: the AWS_... variables to reach it with, in place of the user's; None: the user's.
        server: what serves it, where that is known.
    """

    name: str
    url: str
    access: Access = field(default_factory=Access)
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    server: str = ""

    @property
    def kind(self) -> str:
        """The URL's scheme: "file", "s3", "redis" ..., without TLS's letter."""
        return split_url(self.url)[0].replace("rediss", "redis")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a driver whose jobs shuffle here."""
        return {"shuffle": self.url, **asdict(self.access)}

    def settle(self, size: int) -> None:
        """Be ready to move `size` bytes in this process at the speed of the store.

        The disk takes what was written before, lest it do so while something is measured. And the kernel gets
        memory: the host of a virtual machine takes back what was free for some seconds, and to have it again
        may be slower than a folder or Redis.
        """
        bytearray(2 * size)  # which is written with zeros, and free again: for client and server
        if self.kind == "file":
            os.sync()
            # The page cache has memory of its own, in pages that are larger where more is written at a time.
            with ExitStack() as stack:
                for chunk in _SCRATCH:
                    scratch = stack.enter_context(tempfile.TemporaryFile(dir=split_url(self.url)[1], buffering=0))
                    for _ in range(0, size, chunk):
                        scratch.write(bytes(chunk))

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Let the environment be the place's: clients here, and processes begun here, see nothing else of AWS."""
        if self.environ is None:
            yield
            return
        before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        _set(self.environ)
        try:
            yield
        finally:
            _set(before)

    def check(self, size: int) -> list[str]:
        """What may go wrong with a shuffle of `size` bytes here, in sentences.

        Raises:
            MapReduceError: it cannot be tried.
        """
        with self.environment():
            try:
                return open_shuffle(self.url, self.access).check(size)
            except ImportError as error:
                raise ConfigError(f"{self.url} needs a package: {error}") from error

    def problem(self) -> str:
        """Why nothing can be shuffled here; "" if it can."""
        try:
            self.check(0)
        except MapReduceError as error:
            return str(error)
        return ""


def named_place(url: str, *, endpoint_url: str | None = None, profile: str | None = None) -> Place:
    """The place that the user named, what is not said taken from the settings.

    Raises:
        ConfigError: something of it cannot be used.
    """
    settings = Settings.load({"shuffle": url, "endpoint_url": endpoint_url, "profile": profile})
    return Place(name=settings.shuffle, url=settings.shuffle, access=settings.access)


def _set(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
