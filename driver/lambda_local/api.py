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

_log = logging.getLogger(__name__)
_EVENT_SETTINGS = {"MaximumRetryAttempts": (0, 2), "MaximumEventAgeInSeconds": (60, 21_600)}


class API:
    """Answers requests; each method is an operation of AWS's API by its name."""

    def __init__(
        self, functions: Functions, pool: Pool, invoke: Invoke, places: Places, remote: Remote, faults: Faults
    ) -> None:
        self._functions = functions
        self._pool = pool
        self._invoke = invoke
        self._places = places
        self._remote = remote
        self._faults = faults

    def application(self) -> web.Application:
        """What aiohttp serves."""
        application = web.Application(client_max_size=100 * 1024 * 1024, middlewares=[_in_awss_shape])
        one = "/{name}"
        functions, concurrency, events = "/2015-03-31/functions", "/2017-10-31/functions", "/2019-09-25/functions"
        application.add_routes(
            [
                web.post(f"{functions}{one}/invocations", self._invoke.handle),
                web.post(functions, self.create_function),
                web.get(functions, self.list_functions),
                web.get(f"{functions}/", self.list_functions),
                web.get(functions + one, self.get_function),
                web.delete(functions + one, self.delete_function),
                web.put(f"{functions}{one}/code", self.update_function_code),
                web.get(f"{functions}{one}/configuration", self.get_function_configuration),
                web.put(f"{functions}{one}/configuration", self.update_function_configuration),
                web.put(f"{concurrency}{one}/concurrency", self.put_function_concurrency),
                web.delete(f"{concurrency}{one}/concurrency", self.delete_function_concurrency),
                web.get(f"/2019-09-30/functions{one}/concurrency", self.get_function_concurrency),
                web.put(f"{events}{one}/event-invoke-config", self.put_function_event_invoke_config),
                web.post(f"{events}{one}/event-invoke-config", self.update_function_event_invoke_config),
                web.get(f"{events}{one}/event-invoke-config", self.get_function_event_invoke_config),
                web.delete(f"{events}{one}/event-invoke-config", self.delete_function_event_invoke_config),
                web.get("/2016-08-19/account-settings", self.get_account_settings),
                web.post("/", self.logs),
                web.get("/lambda-local/faults", self.faults),
                web.post("/lambda-local/faults", self.faults),
                web.delete("/lambda-local/faults", self.faults),
            ]
        )
        return application

    async def create_function(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        name = asked.get("FunctionName", "")
        self._functions.free(name)
        settings = settings_of(asked)
        if not settings.get("Handler") or not settings.get("Runtime"):
            raise invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        code = await asyncio.to_thread(fetch, asked.get("Code", {}), self._places.code, self._remote)
        return web.json_response(
            self._functions.create(name, code, settings, asked.get("Tags", {})).described(), status=201
        )

    async def list_functions(self, request: web.Request) -> web.Response:
        return web.json_response({"Functions": [function.described() for function in self._functions.all()]})

    async def get_function(self, request: web.Request) -> web.Response:
        function = self._function(request)
        answer: dict[str, Any] = {"Configuration": function.described(), "Code": {}, "Tags": function.tags}
        if function.reserved is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return web.json_response(answer)

    async def get_function_configuration(self, request: web.Request) -> web.Response:
        return web.json_response(self._function(request).described())

    async def update_function_code(self, request: web.Request) -> web.Response:
        function, asked = self._function(request), await _json(request)
        code = await asyncio.to_thread(fetch, asked, self._places.code, self._remote)
        if not asked.get("DryRun"):
            self._change(function, code=code)
        return web.json_response(function.described())

    async def update_function_configuration(self, request: web.Request) -> web.Response:
        function = self._function(request)
        self._change(function, settings=settings_of(await _json(request)))
        return web.json_response(function.described())

    async def delete_function(self, request: web.Request) -> web.Response:
        function = self._function(request)
        self._functions.delete(function)
        self._pool.retire(function)
        return web.Response(status=204)

    async def put_function_concurrency(self, request: web.Request) -> web.Response:
        function, asked = self._function(request), await _json(request)
        reserved = asked.get("ReservedConcurrentExecutions")
        if not isinstance(reserved, int) or not 0 <= reserved <= self._pool.limit:
            raise invalid(f"ReservedConcurrentExecutions is a number from 0 to the account's {self._pool.limit}.")
        function.reserved = reserved
        return web.json_response({"ReservedConcurrentExecutions": reserved})

    async def get_function_concurrency(self, request: web.Request) -> web.Response:
        reserved = self._function(request).reserved
        return web.json_response({} if reserved is None else {"ReservedConcurrentExecutions": reserved})

    async def delete_function_concurrency(self, request: web.Request) -> web.Response:
        self._function(request).reserved = None
        return web.Response(status=204)

    async def put_function_event_invoke_config(self, request: web.Request) -> web.Response:
        function, asked = self._function(request), await _json(request)
        function.events = _event_settings(asked)
        return self._events_of(function)

    async def update_function_event_invoke_config(self, request: web.Request) -> web.Response:
        function, asked = self._function(request), await _json(request)
        function.events = {**(function.events or {}), **_event_settings(asked)}
        return self._events_of(function)

    async def get_function_event_invoke_config(self, request: web.Request) -> web.Response:
        return self._events_of(self._function(request))

    async def delete_function_event_invoke_config(self, request: web.Request) -> web.Response:
        function = self._function(request)
        self._events_of(function)
        function.events = None
        return web.Response(status=204)

    async def get_account_settings(self, request: web.Request) -> web.Response:
        limit, functions = self._pool.limit, self._functions.all()
        reserved = sum(function.reserved or 0 for function in functions)
        return web.json_response(
            {
                "AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit - reserved},
                "AccountUsage": {"FunctionCount": len(functions)},
            }
        )

    async def logs(self, request: web.Request) -> web.Response:
        asked = await _json(request)
        answer = await asyncio.to_thread(answer_logs, self._places.logs, request.headers.get("X-Amz-Target", ""), asked)
        return web.json_response(answer, content_type="application/x-amz-json-1.1")

    async def faults(self, request: web.Request) -> web.Response:
        """Not AWS's: GET shows the script, POST adds to it, DELETE clears it."""
        if request.method == "POST":
            try:
                self._faults.add(*parse_faults(await request.read(), "the request"))
            except ConfigError as error:
                raise invalid(str(error)) from None
        elif request.method == "DELETE":
            self._faults.clear()
        return web.json_response(self._faults.described())

    def _function(self, request: web.Request) -> Function:
        return self._functions.get(request.match_info["name"], request.query.get("Qualifier"))

    def _change(self, function: Function, **what: Any) -> None:
        function.change(**what)
        self._pool.retire(function)

    @staticmethod
    def _events_of(function: Function) -> web.Response:
        if function.events is None:
            raise not_found(f"The function {function.arn} doesn't have an EventInvokeConfig")
        return web.json_response({"FunctionArn": f"{function.arn}:$LATEST", **function.events})


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
        refusal = Refusal(
            "NotImplementedException", 501, f"This service has no operation {request.method} {request.path}."
        )
    except Exception as error:
        _log.exception("%s %s", request.method, request.path)
        refusal = Refusal("ServiceException", 500, f"{type(error).__name__}: {error}")
    body = {"__type": refusal.name, **refusal.body}
    return web.json_response(body, status=refusal.status, headers={"x-amzn-ErrorType": refusal.name})
