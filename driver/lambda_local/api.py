"""The service's HTTP API: Lambda's, and beside it the logs and the script of faults."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from driver.lambda_local.code import fetch
from driver.lambda_local.errors import Refusal, invalid, not_found
from driver.lambda_local.faults import Faults, parse_faults
from driver.lambda_local.functions import Function, Functions, settings_of
from driver.lambda_local.invoke import Invoke
from driver.lambda_local.logs_api import answer_logs
from driver.lambda_local.places import Places
from driver.lambda_local.pool import Pool
from driver.lambda_local.remote import Remote
from mapreduce.errors import ConfigError

#: Answers a request: the document that came to the one that goes back.
Operation = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
#: The same, of the function that the request's path names.
OfFunction = Callable[[Function, dict[str, Any]], Awaitable[dict[str, Any]]]

_log = logging.getLogger(__name__)
_FUNCTIONS = "/2015-03-31/functions"
_CONCURRENCY = "/2017-10-31/functions/{name}/concurrency"
_EVENTS = "/2019-09-25/functions/{name}/event-invoke-config"
_FAULTS = "/lambda-local/faults"
_EVENT_SETTINGS = {"MaximumRetryAttempts": (0, 2), "MaximumEventAgeInSeconds": (60, 21_600)}


class API:
    """Answers requests; its methods are operations of AWS's API."""

    def __init__(self, functions: Functions, pool: Pool, places: Places, remote: Remote, faults: Faults) -> None:
        self._functions = functions
        self._pool = pool
        self._places = places
        self._remote = remote
        self._faults = faults

    def application(self, invoke: Invoke) -> web.Application:
        """What aiohttp serves."""
        one = f"{_FUNCTIONS}/{{name}}"
        application = web.Application(client_max_size=100 * 1024 * 1024, middlewares=[_in_awss_shape])
        application.add_routes(
            [
                web.post(f"{one}/invocations", invoke.handle),
                web.post(_FUNCTIONS, _plain(self._create, 201)),
                web.get(_FUNCTIONS, _plain(self._list)),
                web.get(f"{_FUNCTIONS}/", _plain(self._list)),
                web.get(one, self._of(self._get)),
                web.delete(one, self._of(self._delete, 204)),
                web.put(f"{one}/code", self._of(self._update_code)),
                web.get(f"{one}/configuration", self._of(self._described)),
                web.put(f"{one}/configuration", self._of(self._update_configuration)),
                web.put(_CONCURRENCY, self._of(self._put_concurrency)),
                web.get(_CONCURRENCY.replace("2017-10-31", "2019-09-30"), self._of(self._get_concurrency)),
                web.delete(_CONCURRENCY, self._of(self._delete_concurrency, 204)),
                web.put(_EVENTS, self._of(self._put_events)),
                web.post(_EVENTS, self._of(self._update_events)),
                web.get(_EVENTS, self._of(self._get_events)),
                web.delete(_EVENTS, self._of(self._delete_events, 204)),
                web.get("/2016-08-19/account-settings", _plain(self._account)),
                web.post("/", self._logs),
                web.get(_FAULTS, self._script),
                web.post(_FAULTS, self._script),
                web.delete(_FAULTS, self._script),
            ]
        )
        return application

    async def _create(self, asked: dict[str, Any]) -> dict[str, Any]:
        name, settings = asked.get("FunctionName", ""), settings_of(asked)
        self._functions.free(name)
        if not settings.get("Handler") or not settings.get("Runtime"):
            raise invalid("Runtime and Handler are mandatory parameters for functions with a zip file.")
        code = await asyncio.to_thread(fetch, asked.get("Code", {}), self._places.code, self._remote)
        return self._functions.create(name, code, settings, asked.get("Tags", {})).described()

    async def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"Functions": [function.described() for function in self._functions.all()]}

    async def _get(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        answer = {"Configuration": function.described(), "Code": {}, "Tags": function.tags}
        concurrency = await self._get_concurrency(function, asked)
        return answer | ({"Concurrency": concurrency} if concurrency else {})

    async def _described(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        return function.described()

    async def _update_code(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        code = await asyncio.to_thread(fetch, asked, self._places.code, self._remote)
        if not asked.get("DryRun"):
            function.change(code=code)
            self._pool.retire(function)
        return function.described()

    async def _update_configuration(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        function.change(settings=settings_of(asked))
        self._pool.retire(function)
        return function.described()

    async def _delete(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        self._functions.delete(function)
        self._pool.retire(function)
        return {}

    async def _put_concurrency(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        reserved = asked.get("ReservedConcurrentExecutions")
        if not isinstance(reserved, int) or not 0 <= reserved <= self._pool.limit:
            raise invalid(f"ReservedConcurrentExecutions is a number from 0 to the account's {self._pool.limit}.")
        return await self._reserve(function, reserved)

    async def _delete_concurrency(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        return await self._reserve(function, None)

    async def _reserve(self, function: Function, reserved: int | None) -> dict[str, Any]:
        function.reserved = reserved
        self._pool.wake(function.name)
        return await self._get_concurrency(function, {})

    async def _get_concurrency(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        return {} if function.reserved is None else {"ReservedConcurrentExecutions": function.reserved}

    async def _put_events(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        function.events = _event_settings(asked)
        return await self._get_events(function, asked)

    async def _update_events(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        function.events = {**(function.events or {}), **_event_settings(asked)}
        return await self._get_events(function, asked)

    async def _get_events(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        if function.events is None:
            raise not_found(f"The function {function.arn} doesn't have an EventInvokeConfig")
        return {"FunctionArn": f"{function.arn}:$LATEST", **function.events}

    async def _delete_events(self, function: Function, asked: dict[str, Any]) -> dict[str, Any]:
        await self._get_events(function, asked)
        function.events = None
        return {}

    async def _account(self, asked: dict[str, Any]) -> dict[str, Any]:
        limit, functions = self._pool.limit, self._functions.all()
        free = limit - sum(function.reserved or 0 for function in functions)
        return {
            "AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": free},
            "AccountUsage": {"FunctionCount": len(functions)},
        }

    async def _logs(self, request: web.Request) -> web.Response:
        target = request.headers.get("X-Amz-Target", "")
        answer = await asyncio.to_thread(answer_logs, self._places.logs, target, await _json(request))
        return web.json_response(answer, content_type="application/x-amz-json-1.1")

    async def _script(self, request: web.Request) -> web.Response:
        """Not AWS's: GET shows the script of faults, POST adds to it, DELETE clears it."""
        if request.method == "POST":
            try:
                self._faults.add(*parse_faults(await request.read(), "the request"))
            except ConfigError as error:
                raise invalid(str(error)) from None
        elif request.method == "DELETE":
            self._faults.clear()
        return web.json_response(self._faults.described())

    def _of(self, operation: OfFunction, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            function = self._functions.get(request.match_info["name"], request.query.get("Qualifier"))
            return _answer(await operation(function, await _json(request)), status)

        return handle


def _plain(operation: Operation, status: int = 200) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        return _answer(await operation(await _json(request)), status)

    return handle


def _answer(document: dict[str, Any], status: int) -> web.Response:
    return web.Response(status=status) if status == 204 else web.json_response(document, status=status)


def _event_settings(asked: dict[str, Any]) -> dict[str, Any]:
    for name, (least, most) in _EVENT_SETTINGS.items():
        if name in asked and not least <= asked[name] <= most:
            raise invalid(f"{name} must be between {least} and {most}, not {asked[name]!r}.")
    for condition, where in asked.get("DestinationConfig", {}).items():
        destination = where.get("Destination", "")
        if destination and (condition != "OnFailure" or not destination.startswith("arn:aws:s3:::")):
            raise invalid(f"The one destination here is OnFailure in S3, arn:aws:s3:::BUCKET, not {destination}.")
    return {name: asked[name] for name in (*_EVENT_SETTINGS, "DestinationConfig") if name in asked}


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise Refusal("InvalidRequestContentException", 400, f"The request is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal("InvalidRequestContentException", 400, "The request is no JSON object.")
    return body


@web.middleware
async def _in_awss_shape(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors as AWS writes them."""
    try:
        return await handler(request)
    except Refusal as error:
        refusal = error
    except web.HTTPRequestEntityTooLarge as error:
        refusal = Refusal("RequestEntityTooLargeException", 413, str(error.text))
    except web.HTTPException:
        what = f"This service has no operation {request.method} {request.path}."
        refusal = Refusal("NotImplementedException", 501, what)
    except Exception as error:
        _log.exception("%s %s", request.method, request.path)
        refusal = Refusal("ServiceException", 500, f"{type(error).__name__}: {error}")
    body = {"__type": refusal.name, **refusal.body}
    return web.json_response(body, status=refusal.status, headers={"x-amzn-ErrorType": refusal.name})
