"""The main loop of a local worker process.

The parent starts it with two pipes. Payloads come in as frames (4 bytes of length, then JSON), and an
answer of one frame goes back for each: the outcome, or "error" and why the attempt could not even
write down its failure. When the parent is gone the pipe ends, and the process ends at once, in the
middle of whatever it does: no worker outlives its driver.
"""

from __future__ import annotations

import gc
import os
import queue
import shutil
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

from worker.attempt import run_attempt
from worker.payload import Payload
from worker.processor import prepare

_LENGTH = struct.Struct("<I")


def write_frame(pipe: BinaryIO, data: bytes) -> None:
    """Write a frame and flush it."""
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read_frame(pipe: BinaryIO) -> bytes | None:
    """The next frame; None when the other side is gone."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    data = pipe.read(size)
    return data if len(data) == size else None


def main(requests: int, answers: int) -> None:
    """Serve attempts until the parent closes the pipe.

    Args:
        requests: file descriptor of the pipe that payloads come from.
        answers: file descriptor of the pipe that answers go to.
    """
    serve(requests, answers, lambda frame: run_attempt(Payload.from_json(frame)))


def serve(requests: int, answers: int, run: Callable[[bytes], str]) -> None:
    """Answer each frame by what `run` makes of it, until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    os.dup2(2, 1)  # what user code prints is for the person, not for the driver's standard output
    _keep_to_ourselves(requests, answers)
    prepare()
    # Records are many and short-lived; a collection every 700 of them finds nothing.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox), daemon=True).start()
    with open(answers, "wb") as pipe:
        while True:
            frame = inbox.get()
            try:
                answer = run(frame)
            except Exception as error:
                answer = f"error: {type(error).__name__}: {error}"
            sys.stdout.flush()
            sys.stderr.flush()
            write_frame(pipe, answer.encode())


def _keep_to_ourselves(*pipes: int) -> None:
    """Keep what user code starts from holding the pipes open: the driver would not see our end."""
    for pipe in pipes:
        os.set_inheritable(pipe, False)  # noqa: FBT003 - it takes no keywords
    null = os.open(os.devnull, os.O_RDWR)
    os.register_at_fork(after_in_child=lambda: [os.dup2(null, pipe, inheritable=False) for pipe in pipes])


def _listen(requests: int, inbox: queue.SimpleQueue[bytes]) -> None:
    with open(requests, "rb") as pipe:
        while (frame := read_frame(pipe)) is not None:
            inbox.put(frame)
    # The driver is gone without a word: take along what it would have ended and removed.
    shutil.rmtree(os.environ.get("MAPREDUCE_WORKER_HOME", ""), ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
