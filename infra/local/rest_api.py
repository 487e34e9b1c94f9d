"""One API Gateway REST API: a request in, an event to its function, a response out."""

from __future__ import annotations

import asyncio
import json
import uuid
from urllib.parse import unquote

from .errors import FunctionThrottled
from .gateway_responses import (
    BROKEN,
    NO_ROUTE,
    REJECTED,
    TIMED_OUT,
    TOO_LARGE,
    GatewayError,
    GatewayResponses,
)
from .http_server import BodyTooLarge, Receive, Scope, Send, read_body, respond
from .invocation import MAXIMUM_PAYLOAD_BYTES
from .invoker import Invoker
from .model import ACCOUNT_ID, Api
from .rest_event import MalformedAnswer, Request, Response, proxy_event, read_answer
from .routes import RouteTable

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
MAXIMUM_REQUEST_BYTES = 10 * 1024 * 1024


class _Refused(Exception):
    """The gateway answers itself."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.response_type)
        self.error = error


class RestApi:
    """The ASGI callable of one Api resource."""

    def __init__(self, api: Api, invoker: Invoker, integration_timeout_seconds: float) -> None:
        self._api = api
        self._invoker = invoker
        self._timeout_seconds = integration_timeout_seconds
        self._routes = RouteTable(api.routes)
        self._gateway_responses = GatewayResponses(api)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        try:
            response = await self._answer(scope, receive, request_id)
        except _Refused as refusal:
            context = _context(self._api, scope, request_id)
            response = self._gateway_responses.answer(refusal.error, context, scope["headers"])
        headers = [*response.headers, (b"x-amzn-requestid", request_id.encode())]
        await respond(send, response.status, headers, response.body)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        raw_path = scope["raw_path"].decode("latin-1")
        found = self._routes.find(scope["method"], raw_path)
        if found is None:
            raise _Refused(NO_ROUTE)
        route, path_parameters = found
        try:
            body = await read_body(receive, MAXIMUM_REQUEST_BYTES)
        except BodyTooLarge as error:
            raise _Refused(TOO_LARGE) from error
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
            raise _Refused(TOO_LARGE)
        try:
            future = self._invoker.invoke(route.function_name, payload)
        except FunctionThrottled as error:
            raise _Refused(REJECTED) from error
        # Not wait_for: the function goes on after the gateway has given up, as on AWS.
        await asyncio.wait((future,), timeout=self._timeout_seconds)
        if not future.done():
            raise _Refused(TIMED_OUT)
        answer = future.result()
        if answer.error_type is not None:
            raise _Refused(BROKEN)
        accept = next(
            (value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), None
        )
        try:
            return read_answer(answer.payload, accept, self._api.binary_media_types)
        except MalformedAnswer as error:
            raise _Refused(BROKEN) from error


def _context(api: Api, scope: Scope, request_id: str) -> dict[str, str]:
    path = unquote(scope["raw_path"].decode("latin-1"))
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api.logical_id,
        "extendedRequestId": request_id,
        "httpMethod": scope["method"],
        "identity.sourceIp": scope["client"][0],
        "path": f"/{api.stage}{path}",
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "stage": api.stage,
    }
