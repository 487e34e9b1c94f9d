"""One API Gateway REST API: a request in, an event to its function, a response out."""

from __future__ import annotations

import asyncio
import json
import uuid
from urllib.parse import unquote

from .errors import FunctionThrottled
from .http_server import BodyTooLarge, Headers, Receive, Scope, Send, read_body, respond
from .invocation import MAXIMUM_PAYLOAD_BYTES
from .invoker import Invoker
from .model import Api
from .rest_event import MalformedAnswer, Request, Response, proxy_event, read_answer
from .routes import RouteTable

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
MAXIMUM_REQUEST_BYTES = 10 * 1024 * 1024
_JSON: Headers = [(b"content-type", b"application/json")]


def _gateway_response(status: int, message: str, error_type: str) -> Response:
    body = json.dumps({"message": message}).encode()
    return Response(status, [*_JSON, (b"x-amzn-errortype", error_type.encode())], body)


# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
_NO_ROUTE = _gateway_response(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
_TOO_LARGE = _gateway_response(413, "Request Too Long", "RequestTooLargeException")
_BROKEN = _gateway_response(502, "Internal server error", "InternalServerErrorException")
_TIMED_OUT = _gateway_response(504, "Endpoint request timed out", "InternalServerErrorException")


class RestApi:
    """The ASGI callable of one Api resource."""

    def __init__(self, api: Api, invoker: Invoker, integration_timeout_seconds: float) -> None:
        self._api = api
        self._invoker = invoker
        self._timeout_seconds = integration_timeout_seconds
        self._routes = RouteTable(api.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        response = await self._answer(scope, receive, request_id)
        headers = [*response.headers, (b"x-amzn-requestid", request_id.encode())]
        await respond(send, response.status, headers, response.body)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        raw_path = scope["raw_path"].decode("latin-1")
        found = self._routes.find(scope["method"], raw_path)
        if found is None:
            return _NO_ROUTE
        route, path_parameters = found
        try:
            body = await read_body(receive, MAXIMUM_REQUEST_BYTES)
        except BodyTooLarge:
            return _TOO_LARGE
        request = Request(
            method=scope["method"],
            path=unquote(raw_path),
            query=scope["query_string"],
            headers=scope["headers"],
            body=body,
            client_ip=scope["client"][0],
            resource=route.path,
            path_parameters=path_parameters,
            request_id=request_id,
        )
        payload = json.dumps(proxy_event(self._api, request)).encode()
        if len(payload) > MAXIMUM_PAYLOAD_BYTES:
            return _TOO_LARGE
        try:
            future = self._invoker.invoke(route.function_name, payload)
        except FunctionThrottled:
            return _BROKEN
        # Not wait_for: the function goes on after the gateway has given up, as on AWS.
        await asyncio.wait((future,), timeout=self._timeout_seconds)
        if not future.done():
            return _TIMED_OUT
        answer = future.result()
        if answer.error_type is not None:
            return _BROKEN
        accept = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), None
        )
        try:
            return read_answer(answer.payload, accept, self._api.binary_media_types)
        except MalformedAnswer:
            return _BROKEN
