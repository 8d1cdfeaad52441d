"""A proxy before a TCP server: it speaks TLS in its stead, if it shall, and makes calls fail by script.

A call begins when a client sends something after an answer, or for the first time: for protocols that
answer what was asked before they are asked anew.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, NamedTuple, Self

_BUFFER = 1 << 16


class End(Exception):
    """Ends a connection, when the bytes `last` have been passed on.

    Args:
        last: bytes to be passed on.
        reset: whether the client sees it reset, not closed.
    """

    def __init__(self, last: bytes = b"", *, reset: bool = False) -> None:
        super().__init__()
        self.last = last
        self.reset = reset


#: Gives what is passed on of bytes, which begin at an offset of the request or of the answer; may raise End.
Filter = Callable[[bytes, int], bytes]


def _as_it_is(data: bytes, start: int) -> bytes:
    return data


class Fault(NamedTuple):
    """What happens to a call."""

    request: Filter = _as_it_is
    answer: Filter = _as_it_is


#: Says what happens to a call, by its number from 0 over all connections; None: it is passed on.
Script = Callable[[int], Fault | None]


def _end(*, reset: bool) -> Filter:
    def end(data: bytes, start: int) -> bytes:
        raise End(reset=reset)

    return end


#: The connection is closed, and the server never sees the request.
DROP = Fault(request=_end(reset=False))
#: The connection is reset, and the server never sees the request.
RESET = Fault(request=_end(reset=True))
#: The server does what it was asked, and the connection is reset before its answer.
LOSE = Fault(answer=_end(reset=True))


def truncate(size: int) -> Fault:
    """The connection is closed after so many bytes of the answer."""

    def answer(data: bytes, start: int) -> bytes:
        if start + len(data) < size:
            return data
        raise End(data[: size - start])

    return Fault(answer=answer)


def corrupt(position: int) -> Fault:
    """A byte of the answer is another."""

    def answer(data: bytes, start: int) -> bytes:
        changed = bytearray(data)
        if start <= position < start + len(data):
            changed[position - start] ^= 1
        return bytes(changed)

    return Fault(answer=answer)


def hold(until: threading.Event) -> Fault:
    """The answer comes when `until` is set."""

    def answer(data: bytes, start: int) -> bytes:
        until.wait()
        return data

    return Fault(answer=answer)


class Connection(BaseRequestHandler):
    """A client's connection."""

    server: Proxy

    def handle(self) -> None:
        """Pass on what comes, in both directions, until one side ends it."""
        # A side that goes away, or cannot make sense of the other, is what tests are about.
        with suppress(OSError), socket.create_connection(self.server.behind) as behind:
            client: socket.socket = self.request
            if self.server.tls is not None:
                client = self.request = self.server.tls.wrap_socket(client, server_side=True)
            try:
                self._exchange(client, behind)
            except End as end:
                if end.reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    client.sendall(end.last)
            finally:
                client.close()  # at once: an orderly end before it would hide a reset

    def _exchange(self, client: socket.socket, behind: socket.socket) -> None:
        fault = Fault()
        asked, answered = 0, 1  # bytes of this call
        while True:
            ready: list[socket.socket] = [client]
            if not (isinstance(client, ssl.SSLSocket) and client.pending()):
                ready, _, _ = select.select([client, behind], [], [])
            for side in ready:
                data = side.recv(_BUFFER)
                if not data:
                    return
                if side is behind:
                    client.sendall(fault.answer(data, answered))
                    answered += len(data)
                    continue
                if answered:
                    fault = self.server.begin()
                    asked = answered = 0
                behind.sendall(fault.request(data, asked))
                asked += len(data)


class Proxy(ThreadingTCPServer):
    """Listens at `port` of this machine, and passes on to the server at another port, as `script` says.

    Args:
        port: of the server.
        tls: makes the proxy speak TLS to its clients.

    Attributes:
        calls: how many there have been.
        closing: set when the proxy closes.
    """

    daemon_threads = True  # a proxy may be for the whole session
    request_queue_size = 128

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.behind = ("127.0.0.1", port)
        self.tls = tls
        self.port: int = self.server_address[1]
        self.script: Script = lambda number: None
        self.calls = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def begin(self) -> Fault:
        """What happens to the call that begins now."""
        with self._lock:
            number = self.calls
            self.calls += 1
            return self.script(number) or Fault()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        request.close()

    def close(self) -> None:
        """End all connections and listen no more."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
