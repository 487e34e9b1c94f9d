"""HTTP at the edge: requests as views read them, and the one table from errors to status codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast
from uuid import uuid4

from chalice.app import Chalice, Request, Response

from exchange.errors import (
    DependencyUnavailable,
    ExchangeError,
    Forbidden,
    IdempotencyConflict,
    InvalidRequest,
    PayloadTooLarge,
    RecordErased,
    RequestRefused,
    Unauthenticated,
    UnsupportedContentType,
)
from exchange.platform.contracts import contract
from exchange.platform.log import describe_exception, logger
from exchange.platform.metrics import record_request

STATUS_OF: Mapping[type[ExchangeError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    IdempotencyConflict: 409,
    RecordErased: 410,
    PayloadTooLarge: 413,
    UnsupportedContentType: 415,
    DependencyUnavailable: 503,
}
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True)
class HttpRequest:
    """A request as a view needs it. `repr` shows none of it: headers and body are the caller's."""

    method: str
    route: str
    body: bytes = field(repr=False)
    headers: Mapping[str, list[str]] = field(repr=False)

    def header(self, name: str) -> str | None:
        """Return the header's only value; raises InvalidRequest when it was sent twice."""
        values = self.headers.get(name.lower(), [])
        if len(values) > 1:
            raise InvalidRequest("was sent more than once", field=name)
        return values[0] if values else None

    @cached_property
    def correlation_id(self) -> str:
        """The caller's X-Correlation-Id if there is exactly one, in the permitted form; else a new id."""
        values = self.headers.get("x-correlation-id", [])
        if len(values) == 1 and contract("api/schemas/correlation_id").is_valid(values[0]):
            return values[0]
        return str(uuid4())

    def require_json(self) -> None:
        """Raise UnsupportedContentType unless the body is declared as JSON."""
        media_type = (self.header("Content-Type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedContentType("must be application/json", field="Content-Type")

    def require_body_within(self, limit_bytes: int) -> None:
        """Raise PayloadTooLarge if the body is longer than `limit_bytes`."""
        if len(self.body) > limit_bytes:
            raise PayloadTooLarge(f"is over {limit_bytes} bytes", field="body")


def read_request(request: Request) -> HttpRequest:
    """Convert Chalice's request and keep duplicate headers, of which Chalice's own mapping shows the last only."""
    event = request.to_original_event()
    headers: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        headers.setdefault(name.lower(), []).extend(values)
    body = request.raw_body
    return HttpRequest(
        method=request.method,
        route=request.path,
        body=body if isinstance(body, bytes) else body.encode(),
        headers=headers,
    )


def json_response(status: int, body: Mapping[str, Any], correlation_id: str, **headers: str) -> Response:
    return Response(
        body=dict(body),
        status_code=status,
        headers={"Content-Type": "application/json", "X-Correlation-Id": correlation_id, **headers},
    )


def status_of(error: ExchangeError) -> int:
    """Return the status code of an error by its nearest class in STATUS_OF, else 500."""
    return next((STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF), 500)


def error_response(error: ExchangeError, correlation_id: str) -> Response:
    """Return the answer to an error: it says what is wrong and where, and never shows the value."""
    status = status_of(error)
    if status == 500:
        return internal_error_response(correlation_id)
    body = {"error": str(error), "code": error.code}
    if isinstance(error, RequestRefused) and error.field is not None:
        body["field"] = error.field
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)} if error.retryable else {}
    return json_response(status, body, correlation_id, **retry)


def internal_error_response(correlation_id: str) -> Response:
    """Return the answer to a fault of the exchange, which reveals nothing of its cause."""
    return json_response(500, {"error": "internal error", "code": "internal_error"}, correlation_id)


def answer(app: Chalice, service: str, view: Callable[[HttpRequest], Response]) -> Response:
    """Run `view` on the current request; turn every error into an answer, and log every answer with its metrics.

    This wraps views instead of being a Chalice middleware because Chalice turns a view's exception into a response, and
    prints its text, before any middleware sees it.
    """
    started = time.perf_counter()
    request = read_request(cast(Request, app.current_request))
    log = logger(service)
    try:
        response = view(request)
    except ExchangeError as error:
        response = error_response(error, request.correlation_id)
        if response.status_code >= 500:
            log.error(
                "request failed", extra=describe_exception(error, correlation_id=request.correlation_id)
            )
    except Exception as error:  # noqa: BLE001 - the framework stands behind us and prints texts
        response = internal_error_response(request.correlation_id)
        log.error("request failed", extra=describe_exception(error, correlation_id=request.correlation_id))
    duration_ms = (time.perf_counter() - started) * 1000
    record_request(
        service,
        request.route,
        response.status_code,
        duration_ms,
        method=request.method,
        correlation_id=request.correlation_id,
        request_id=getattr(app.lambda_context, "aws_request_id", None),
    )
    return response
