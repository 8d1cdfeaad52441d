"""Logs of functions: a folder for each log stream, with a file for each invocation.

A line of a file is when it was written, a space, and the message; carriage returns in it stand for line
ends of the message.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from driver.lambda_local.errors import not_found

_GROUP = "/aws/lambda/"


class Event(NamedTuple):
    """A message, its time in ms since 1970, and the stream that it is of."""

    stream: str
    time: int
    message: str


class Stream:
    """What a sandbox writes to; its first lines go with its first invocation."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._folder = os.path.join(folder, name.replace("/", "-"))
        self._file: TextIO | None = None
        self._path = ""
        self._count = 0
        self._early: list[str] = []

    def begin(self, request: str) -> None:
        """What is written from now on is of this invocation."""
        self.end()
        self._count += 1
        os.makedirs(self._folder, exist_ok=True)
        self._path = os.path.join(self._folder, f"{self._count:06}-{request}.log")
        self._file = open(self._path, "a", encoding="utf-8", newline="\n", buffering=1)  # noqa: SIM115 - see `end`
        self._file.writelines(self._early)
        self._early.clear()

    def write(self, message: str) -> None:
        """Write a message."""
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {message}\n"
        if self._file is None:
            self._early.append(line)
        else:
            self._file.write(line)

    def end(self) -> None:
        """The invocation is over."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def tail(self, size: int = 4096) -> bytes:
        """The end of what the last invocation wrote."""
        return "".join(event.message + "\n" for event in _read(self._path, self.name)).encode()[-size:]


class Logs:
    """Everything that was written, read from the files."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def stream(self, function: str, sandbox: str) -> Stream:
        """A new stream."""
        return Stream(os.path.join(self._folder, function), f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{sandbox}")

    def groups(self) -> list[str]:
        """The log groups: one for each function that wrote something."""
        return [_GROUP + name for name in sorted(_names(self._folder))]

    def streams(self, group: str) -> list[str]:
        """The streams of a group.

        Raises:
            Refusal: there is no such group.
        """
        if group not in self.groups():
            raise not_found("The specified log group does not exist.")
        names = sorted(_names(self._path(group)))
        return [f"{name[:10].replace('-', '/')}/{name[11:]}" for name in names]

    def events(self, group: str, stream: str) -> list[Event]:
        """What a stream holds, in order."""
        folder = os.path.join(self._path(group), stream.replace("/", "-"))
        return [event for name in sorted(_names(folder)) for event in _read(os.path.join(folder, name), stream)]

    def delete(self, group: str) -> None:
        """Delete a group."""
        self.streams(group)
        shutil.rmtree(self._path(group))

    def _path(self, group: str) -> str:
        return os.path.join(self._folder, os.path.basename(group))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _read(path: str, stream: str) -> Iterator[Event]:
    with open(path, encoding="utf-8", newline="\n") as file:
        for line in file:
            time, _, message = line.rstrip("\n").partition(" ")
            yield Event(stream, round(datetime.fromisoformat(time).timestamp() * 1000), message.replace("\r", "\n"))
