"""A REST API: it turns a request into an event, and the function's answer into a response."""

from __future__ import annotations

import asyncio
import json
import uuid

from sam_offline.errors import FunctionThrottled, FunctionUnreachable
from sam_offline.execution.invoker import Invoker
from sam_offline.gateway.answer import (
    MalformedAnswer,
    Response,
    UndecodableBody,
    fixed_response,
    read_rest_answer,
)
from sam_offline.gateway.authorizers import NotAuthorized, Refusal
from sam_offline.gateway.request import Request
from sam_offline.gateway.rest import responses as gateway_responses
from sam_offline.gateway.rest.authorization import RestAuthorization
from sam_offline.gateway.rest.event import ProxyEvents, context_variables
from sam_offline.gateway.rest.responses import GatewayError, GatewayResponses
from sam_offline.gateway.routes import RouteTable
from sam_offline.http_server import BodyTooLarge, Receive, Scope, Send, read_body, respond
from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES, Answer
from sam_offline.model import Api, HttpRoute

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
MAXIMUM_REQUEST_BYTES = 10 * 1024 * 1024
_TIMEOUT_SECONDS = 29.0

_REFUSALS = {
    Refusal.UNAUTHENTICATED: gateway_responses.UNAUTHORIZED,
    Refusal.DENIED: gateway_responses.DENIED,
    Refusal.DENIED_EXPLICITLY: gateway_responses.DENIED_EXPLICITLY,
    Refusal.FAILED: gateway_responses.AUTHORIZER_FAILED,
    Refusal.MALFORMED: gateway_responses.AUTHORIZER_MALFORMED,
}


class _Refused(Exception):
    """An answer of the gateway itself."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error.response_type)
        self.error = error


class RestApi:
    """The ASGI application of one REST API.

    It waits for a function as long as its route says, at most `timeout_seconds` (None: AWS's own limit).
    """

    def __init__(self, api: Api, region: str, invoker: Invoker, timeout_seconds: float | None) -> None:
        self._api = api
        self._invoker = invoker
        self._timeout_seconds = timeout_seconds or _TIMEOUT_SECONDS
        self._routes = RouteTable(api.routes)
        self._events = ProxyEvents(api.logical_id, api.stage, api.stage_variables, api.binary_media_types)
        self._authorization = RestAuthorization(api, region, invoker)
        self._gateway_responses = GatewayResponses(api)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        try:
            response = await self._answer(scope, receive, request_id)
        except _Refused as refusal:
            context = context_variables(scope, self._api.logical_id, self._api.stage, request_id)
            response = self._gateway_responses.answer(refusal.error, context, scope["headers"])
        headers = [*response.headers, (b"x-amzn-requestid", request_id.encode())]
        await respond(send, response.status, headers, response.body)

    async def _answer(self, scope: Scope, receive: Receive, request_id: str) -> Response:
        found = self._routes.find(scope["method"], scope["raw_path"].decode("latin-1"))
        if found is None:
            raise _Refused(gateway_responses.NO_ROUTE)
        route, path_parameters = found
        try:
            body = await read_body(receive, MAXIMUM_REQUEST_BYTES)
        except BodyTooLarge as error:
            raise _Refused(gateway_responses.TOO_LARGE) from error
        request = Request.of(scope, body, route, path_parameters, request_id)
        event = self._events.event(request)
        if route.authorizer is not None:
            try:
                context = await self._authorization.authorize(route.authorizer, request, event)
            except NotAuthorized as error:
                raise _Refused(_REFUSALS[error.refusal]) from error
            event["requestContext"]["authorizer"] = context
        if not isinstance(route.integration, str):
            return fixed_response(route.integration)
        answer = await self._invoke(route, route.integration, json.dumps(event).encode())
        try:
            return read_rest_answer(answer.payload, request.header(b"accept"), self._api.binary_media_types)
        except MalformedAnswer as error:
            raise _Refused(gateway_responses.BROKEN) from error
        except UndecodableBody as error:
            raise _Refused(gateway_responses.UNDECODABLE) from error

    async def _invoke(self, route: HttpRoute, function_name: str, payload: bytes) -> Answer:
        if len(payload) > MAXIMUM_PAYLOAD_BYTES:
            raise _Refused(gateway_responses.TOO_LARGE)
        try:
            future = self._invoker.invoke(function_name, payload)
        except (FunctionThrottled, FunctionUnreachable) as error:
            raise _Refused(gateway_responses.REJECTED) from error
        # Not wait_for: the function goes on after the gateway has given up, as on AWS.
        timeout_seconds = min(self._timeout_seconds, route.timeout_seconds or self._timeout_seconds)
        await asyncio.wait((future,), timeout=timeout_seconds)
        if not future.done():
            raise _Refused(gateway_responses.TIMED_OUT)
        answer = future.result()
        if answer.error_type is not None:
            raise _Refused(gateway_responses.BROKEN)
        return answer
