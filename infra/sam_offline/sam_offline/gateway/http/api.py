"""An HTTP API: it turns a request into an event, and the function's answer into a response."""

from __future__ import annotations

import asyncio
import json
import uuid

from sam_offline.errors import FunctionThrottled, FunctionUnreachable
from sam_offline.execution.invoker import Invoker
from sam_offline.gateway.answer import MalformedAnswer, Response, UndecodableBody, fixed_response
from sam_offline.gateway.authorizers import NotAuthorized, Refusal
from sam_offline.gateway.http.answer import read_http_answer
from sam_offline.gateway.http.authorization import HttpAuthorization
from sam_offline.gateway.http.cors import CorsPolicy
from sam_offline.gateway.http.event import HttpEvents
from sam_offline.gateway.request import Request
from sam_offline.gateway.routes import Found, HttpRouteTable
from sam_offline.http_server import JSON_HEADERS, BodyTooLarge, Receive, Scope, Send, read_body, respond
from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES
from sam_offline.model import HttpApi, HttpRoute

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_MAXIMUM_REQUEST_BYTES = 10 * 1024 * 1024
_TIMEOUT_SECONDS = 30.0


class _Refused(Exception):
    """An answer of the gateway itself, which the template of an HTTP API cannot change."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.response = Response(status, JSON_HEADERS, json.dumps({"message": message}).encode())


_REFUSALS = {
    Refusal.UNAUTHENTICATED: (401, "Unauthorized"),
    Refusal.DENIED: (403, "Forbidden"),
    Refusal.DENIED_EXPLICITLY: (403, "Forbidden"),
    # "If API Gateway can't invoke your Lambda authorizer, or your Lambda authorizer returns a response in an invalid
    # format, clients receive a 500 Internal Server Error."
    Refusal.FAILED: (500, "Internal Server Error"),
    Refusal.MALFORMED: (500, "Internal Server Error"),
}


class HttpApiGateway:
    """The ASGI application of one HTTP API.

    It waits for a function as long as its route says, at most `timeout_seconds` (None: AWS's own limit).
    """

    def __init__(self, api: HttpApi, region: str, invoker: Invoker, timeout_seconds: float | None) -> None:
        self._invoker = invoker
        self._timeout_seconds = timeout_seconds or _TIMEOUT_SECONDS
        self._routes = HttpRouteTable(api.routes)
        self._events = HttpEvents(api)
        self._authorization = HttpAuthorization(api, region, invoker, self._events)
        self._cors = None if api.cors is None else CorsPolicy(api.cors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        try:
            response = await self._answer(scope, receive, request_id)
        except _Refused as refusal:
            response = refusal.response
        headers = [*response.headers, (b"apigw-requestid", request_id.encode())]
        await respond(send, response.status, headers, response.body)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        found = self._routes.find(scope["method"], scope["raw_path"].decode("latin-1"))
        origin = None
        if self._cors is not None:
            origin = next((v.decode("latin-1") for n, v in scope["headers"] if n == b"origin"), None)
            if scope["method"] == "OPTIONS" and _gateway_answers_preflight(found):
                return Response(204, self._cors.preflight(origin), b"")
        if found is None:
            raise _Refused(404, "Not Found")
        route, path_parameters = found
        try:
            body = await read_body(receive, _MAXIMUM_REQUEST_BYTES)
        except BodyTooLarge as error:
            raise _Refused(413, "Request Entity Too Large") from error
        request = Request.of(scope, body, route, path_parameters, request_id)
        response = await self._integrate(request)
        if self._cors is None:
            return response
        return Response(response.status, self._cors.apply(origin, response.headers), response.body)

    async def _integrate(self, request: Request) -> Response:
        route = request.route
        if not isinstance(route.integration, str):
            return fixed_response(route.integration)
        event = self._events.event(request, route.payload_version)
        if route.authorizer is not None:
            try:
                event["requestContext"]["authorizer"] = await self._authorization.authorize(
                    route.authorizer, request, route.payload_version
                )
            except NotAuthorized as error:
                raise _Refused(*_REFUSALS[error.refusal]) from error
        payload = await self._invoke(route, route.integration, json.dumps(event).encode())
        try:
            return read_http_answer(payload, route.payload_version)
        except (MalformedAnswer, UndecodableBody) as error:
            raise _Refused(500, "Internal Server Error") from error

    async def _invoke(self, route: HttpRoute, function_name: str, payload: bytes) -> bytes:
        if len(payload) > MAXIMUM_PAYLOAD_BYTES:
            raise _Refused(413, "Request Entity Too Large")
        try:
            future = self._invoker.invoke(function_name, payload)
        except (FunctionThrottled, FunctionUnreachable) as error:
            raise _Refused(500, "Internal Server Error") from error
        # Not wait_for: the function goes on after the gateway has given up, as on AWS.
        timeout_seconds = min(self._timeout_seconds, route.timeout_seconds or self._timeout_seconds)
        await asyncio.wait((future,), timeout=timeout_seconds)
        if not future.done():
            raise _Refused(503, "Service Unavailable")
        answer = future.result()
        if answer.error_type is not None:
            raise _Refused(500, "Internal Server Error")
        return answer.payload


def _gateway_answers_preflight(found: Found | None) -> bool:
    """Return whether the gateway answers OPTIONS: no route names the method, nor is there a guarded `$default`.

    "API Gateway automatically sends a response to preflight OPTIONS requests, even if there isn't an OPTIONS route";
    yet "the $default route catches requests for all methods …, including OPTIONS requests", which then need
    authorization.
    """
    if found is None:
        return True
    route = found[0]
    return route.method != "OPTIONS" and not (route.path == "$default" and route.authorizer is not None)
