"""Lambda's Invoke API, as boto3 and the aws command use it.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid

from sam_offline.errors import FunctionThrottled, UnknownFunction
from sam_offline.execution.invoker import Invoker
from sam_offline.http_server import BodyTooLarge, Headers, Receive, Scope, Send, read_body, respond
from sam_offline.invocation.asynchronous import AsynchronousInvokes
from sam_offline.invocation.invocation import MAXIMUM_PAYLOAD_BYTES

_INVOCATIONS = re.compile(r"/2015-03-31/functions/(?P<function>[^/]+)/invocations/?")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MAXIMUM_EVENT_BYTES = 1_048_576
_VERSION = (b"x-amz-executed-version", b"$LATEST")


class _Refused(Exception):
    """An error that Lambda itself answers with; `details` are its fields beside the message."""

    def __init__(self, status: int, error_type: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message
        self.details = details


class LambdaApi:
    """The ASGI application of the Lambda API."""

    def __init__(self, invoker: Invoker, queue: AsynchronousInvokes) -> None:
        self._invoker = invoker
        self._queue = queue

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, headers, body = await self._answer(scope, receive)
        except _Refused as refusal:
            status = refusal.status
            headers = [
                (b"content-type", b"application/json"),
                (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
                (b"x-amzn-errortype", refusal.error_type.encode()),
            ]
            report = {
                "Type": "User",
                **refusal.details,
                "Message": refusal.message,
                "message": refusal.message,
            }
            body = json.dumps(report).encode()
        await respond(send, status, headers, body)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Headers, bytes]:
        match = _INVOCATIONS.fullmatch(scope["path"])
        if match is None or scope["method"] != "POST":
            raise _Refused(404, "ResourceNotFoundException", "Only Invoke is served here")
        headers = dict(scope["headers"])
        kind = headers.get(b"x-amz-invocation-type", b"RequestResponse").decode("latin-1")
        try:
            payload = await read_body(receive, MAXIMUM_PAYLOAD_BYTES)
            self._invoker.pool(match["function"])
            if kind == "RequestResponse":
                return await self._invoke(match["function"], payload, headers)
            if kind == "Event":
                return self._invoke_later(match["function"], payload)
        except BodyTooLarge as error:
            message = (
                f"Request must be smaller than {MAXIMUM_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
            )
            raise _Refused(413, "RequestEntityTooLargeException", message) from error
        except UnknownFunction as error:
            raise _Refused(
                404, "ResourceNotFoundException", f"Function not found: {match['function']}"
            ) from error
        except FunctionThrottled as error:
            # https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors
            limit = "ReservedFunctionConcurrentInvocationLimitExceeded"
            if self._invoker.pool(match["function"]).function.reserved_concurrency is None:
                limit = "ConcurrentInvocationLimitExceeded"
            raise _Refused(429, "TooManyRequestsException", "Rate Exceeded.", Reason=limit) from error
        if kind != "DryRun":
            raise _Refused(400, "InvalidParameterValueException", f"{kind} is not an invocation type")
        return 204, [_request_id(str(uuid.uuid4())), _VERSION], b""

    async def _invoke(
        self, reference: str, payload: bytes, headers: dict[bytes, bytes]
    ) -> tuple[int, Headers, bytes]:
        wants_log_tail = headers.get(b"x-amz-log-type") == b"Tail"
        context = _client_context(headers.get(b"x-amz-client-context"))
        answer = await self._invoker.invoke(
            reference, payload or b"{}", client_context=context, wants_log_tail=wants_log_tail
        )
        if answer.error_type == "Runtime.UnmarshalError":
            # Lambda checks an event before it runs anything; here the runtime parses it anyway, so that a
            # good event is not parsed twice.
            raise _Refused(400, "InvalidRequestContentException", "Could not parse request body into json")
        reply: Headers = [(b"content-type", b"application/json"), _request_id(answer.request_id), _VERSION]
        if answer.error_type is not None:
            reply.append((b"x-amz-function-error", b"Unhandled"))
        if wants_log_tail:
            reply.append((b"x-amz-log-result", base64.b64encode(answer.log_tail)))
        return 200, reply, answer.payload

    def _invoke_later(self, reference: str, payload: bytes) -> tuple[int, Headers, bytes]:
        if len(payload) > _MAXIMUM_EVENT_BYTES:
            message = (
                f"Request must be smaller than {_MAXIMUM_EVENT_BYTES} bytes for the InvokeFunction operation"
            )
            raise _Refused(413, "RequestEntityTooLargeException", message)
        payload = payload or b"{}"
        try:
            json.loads(payload)
        except ValueError as error:
            message = "Could not parse request body into json"
            raise _Refused(400, "InvalidRequestContentException", message) from error
        return 202, [_request_id(self._queue.submit(reference, payload))], b""


def _request_id(request_id: str) -> tuple[bytes, bytes]:
    return b"x-amzn-requestid", request_id.encode()


def _client_context(header: bytes | None) -> str:
    """Return the caller's base64-encoded JSON as one line of JSON, for the runtime's header."""
    if header is None:
        return ""
    try:
        return json.dumps(json.loads(base64.b64decode(header, validate=True)))
    except (binascii.Error, ValueError) as error:
        raise _Refused(
            400, "InvalidRequestContentException", "Client context is not base64 of JSON"
        ) from error
