"""The Runtime API: what the official runtime client in a sandbox talks to."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from driver.lambda_local.errors import Refusal
from driver.lambda_local.invocation import PAYLOAD, Outcome

if TYPE_CHECKING:
    from driver.lambda_local.sandbox import Sandbox

_PREFIX = "/2018-06-01/runtime/"
# Seconds; to aiohttp 0 would be for ever.
_AT_ONCE = 0.001


class RuntimeAPI:
    """The server of one sandbox, at a port of its own: that is how the sandbox is known."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._server = web.Server(self._handle, access_log=None)

    async def start(self) -> str:
        """Listen; returns the address as the client is told it."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._listening = await asyncio.get_running_loop().create_server(self._server, sock=listener)
        return "{}:{}".format(*listener.getsockname())

    async def close(self) -> None:
        """Stop."""
        self._listening.close()
        await self._server.shutdown(_AT_ONCE)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removeprefix(_PREFIX).split("/")
        try:
            match path:
                case ["invocation", "next"]:
                    return await self._next()
                case ["invocation", request_id, "response"]:
                    self._sandbox.answer(request_id, Outcome(await _body(request)))
                case ["invocation", request_id, "error"]:
                    self._sandbox.answer(request_id, Outcome(await _body(request), failed=True))
                case ["init", "error"]:
                    self._sandbox.init_failed(Outcome(await _body(request), failed=True, status="error"))
                case _:
                    raise Refusal("NotFound", 404, f"The Runtime API has no {request.path}")
        except Refusal as refusal:
            return web.json_response({"errorType": refusal.name, "errorMessage": str(refusal)}, status=refusal.status)
        return web.json_response({"status": "OK"}, status=202)

    async def _next(self) -> web.Response:
        invocation, deadline = await self._sandbox.next()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{invocation.id[:8]}-{invocation.id.replace('-', '')[8:]};Sampled=0",
        }
        if invocation.context:
            headers["Lambda-Runtime-Client-Context"] = invocation.context
        return web.Response(body=invocation.payload, headers=headers, content_type="application/json")


async def _body(request: web.BaseRequest) -> bytes:
    """The body; of one that is too large only as much as tells that it is."""
    parts, size = [], 0
    async for part in request.content.iter_any():
        if size <= PAYLOAD:
            parts.append(part)
        size += len(part)
    return b"".join(parts)
