"""A proxy before an S3 server: it counts requests, and makes them fail by script.

Requests are forwarded as they came, the Host header too, so that their signatures hold.
"""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, responses
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

#: Seconds after which the server behind the proxy is given up.
PATIENCE = 60.0

# What requests ask for, by their methods and by a header or a ?parameter that they have.
_KINDS = [
    ("GET", "?list-type", "list"),
    ("GET", "range", "ranged get"),
    ("PUT", "?partNumber", "part"),
    ("PUT", "x-amz-copy-source", "copy"),
    ("POST", "?uploads", "begin multipart"),
    ("POST", "?uploadId", "complete multipart"),
    ("POST", "?delete", "delete many"),
    ("DELETE", "?uploadId", "abort multipart"),
]
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Request(NamedTuple):
    """A request as the client sent it; `target` is its path with the query."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def kind(self) -> str:
        """What it asks of S3, as in `Proxy.counts`."""
        marks = {f"?{name}" for name in parse_qs(urlsplit(self.target).query, keep_blank_values=True)}
        marks |= {name.lower() for name, _ in self.headers}
        for method, mark, kind in _KINDS:
            if self.method == method and mark in marks:
                return kind
        return self.method.lower()


class Response(NamedTuple):
    """An answer of the server."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Connection(BaseHTTPRequestHandler):
    """A client's connection, and what faults can do with a request that came over it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client went away
            super().handle()

    def exchange(self) -> None:
        """Answer the request that came."""
        assert "Transfer-Encoding" not in self.headers, "clients here say how long their bodies are"
        size = int(self.headers.get("Content-Length", 0))
        target = self.requestline.split(" ")[1]
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionAbortedError("the client went away")
        request = Request(self.command, target, self.headers.items(), body)
        fault = self.server.note(request)
        if fault is None:
            self.answer(self.forward(request))
        else:
            fault(self, request)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = exchange  # noqa: N815 - the base class looks for these names

    def forward(self, request: Request) -> Response:
        """What the server answers."""
        connection = HTTPConnection(*self.server.behind, timeout=PATIENCE)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for header in request.headers:
                connection.putheader(*header)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            return Response(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def answer(self, response: Response, stop: int | None = None) -> None:
        """Send `response`, or of its body only the bytes before `stop`, and then close the connection."""
        headers = [(name, value) for name, value in response.headers if name.lower() not in _HOP_BY_HOP]
        if response.body and "content-length" not in {name.lower() for name, _ in headers}:
            headers.append(("Content-Length", str(len(response.body))))
        lines = [f"{self.protocol_version} {response.status} {responses.get(response.status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head + response.body[:stop])
        if stop is not None:
            self.close_connection = True

    def reset(self) -> None:
        """Close the connection so that the client sees it reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def stall(self) -> None:
        """Do not answer until the proxy closes."""
        self.server.closing.wait()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - so the base class calls it
        """Say nothing."""


#: Answers a request otherwise than by what the server says to it.
Fault = Callable[[Connection, Request], None]
#: Says what becomes of a request; None: it is forwarded.
Script = Callable[[Request], Fault | None]


def refuse(status: int, code: str) -> Fault:
    """An error of S3 in the server's stead."""

    def fault(connection: Connection, request: Request) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>as scripted</Message></Error>'.encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        connection.answer(Response(status, headers, b"" if request.method == "HEAD" else body))

    return fault


def reset(connection: Connection, request: Request) -> None:
    """The connection is reset, and the server never sees the request."""
    connection.reset()


def lose(connection: Connection, request: Request) -> None:
    """The server does what it was asked, and the connection is reset before its answer."""
    connection.forward(request)
    connection.reset()


def reset_after(size: int) -> Fault:
    """The connection is reset after so many bytes of the answer's body."""

    def fault(connection: Connection, request: Request) -> None:
        connection.answer(connection.forward(request), size)
        connection.reset()

    return fault


def truncate(size: int) -> Fault:
    """The connection is closed after so many bytes of the answer's body."""

    def fault(connection: Connection, request: Request) -> None:
        connection.answer(connection.forward(request), size)

    return fault


def corrupt(position: int) -> Fault:
    """A byte of the answer's body is another."""

    def fault(connection: Connection, request: Request) -> None:
        response = connection.forward(request)
        body = bytearray(response.body)
        body[position] ^= 1
        connection.answer(response._replace(body=bytes(body)))

    return fault


def stall(connection: Connection, request: Request) -> None:
    """There is no answer."""
    connection.stall()


def without(header: str) -> Fault:
    """The server gets the request without a header of it; signatures of that header do not hold any more."""

    def fault(connection: Connection, request: Request) -> None:
        headers = [(name, value) for name, value in request.headers if name.lower() != header.lower()]
        connection.answer(connection.forward(request._replace(headers=headers)))

    return fault


def script(fault: Fault, *kinds: str, when: Callable[[int], bool] = lambda number: number == 0) -> Script:
    """Does `fault` to requests of these kinds, or of any: to the first, or to those whose number `when` takes."""
    numbers = itertools.count()
    return lambda request: fault if (not kinds or request.kind in kinds) and when(next(numbers)) else None


def always(number: int) -> bool:
    """For scripts: every request."""
    return True


class Proxy(ThreadingTCPServer):
    """Listens at `endpoint`, and forwards to the server at another, as `script` says.

    Attributes:
        requests: what came, in order.
        connections: how many were made.
        closing: set when the proxy closes.
    """

    request_queue_size = 128

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        url = urlsplit(endpoint)
        self.behind = (url.hostname or "", url.port or 80)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.script: Script = lambda request: None
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def note(self, request: Request) -> Fault | None:
        """Take a request down; returns what becomes of it."""
        with self._lock:
            self.requests.append(request)
            return self.script(request)

    def counts(self) -> dict[str, int]:
        """How many requests of each kind came."""
        with self._lock:
            return dict(Counter(request.kind for request in self.requests))

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.connections += 1
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        request.close()  # no orderly end before it: that would hide a reset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()
