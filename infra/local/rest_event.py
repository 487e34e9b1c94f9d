"""API Gateway REST's proxy event (payload v1) out of a request, and a response out of the function's answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from .http_server import Headers
from .model import ACCOUNT_ID, Api

_ANSWER_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
# RFC 9110 sections 5.1 and 5.5
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_CONTROL_CHARACTER = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# RFC 9110 section 7.6.1; the length is this server's own to say.
_NOT_FORWARDED = {
    b"connection",
    b"content-length",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}


class MalformedAnswer(Exception):
    """The function's answer is not what API Gateway takes from a proxy integration."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request whose path a route of the API has matched."""

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes
    client_ip: str
    resource: str
    path_parameters: Mapping[str, str] | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers
    body: bytes


def proxy_event(api: Api, request: Request) -> dict[str, Any]:
    """Return the event of `request`. Header names are in title case, as `sam local` gives them."""
    headers: dict[str, str] = {}
    multi_headers: dict[str, list[str]] = {}
    for raw_name, raw_value in request.headers:
        name, value = _title(raw_name), raw_value.decode("latin-1")
        headers[name] = value
        multi_headers.setdefault(name, []).append(value)
    query: dict[str, str] | None = None
    multi_query: dict[str, list[str]] | None = None
    if request.query:
        query, multi_query = {}, {}
        for name, value in parse_qsl(request.query.decode("latin-1"), keep_blank_values=True):
            query[name] = value
            multi_query.setdefault(name, []).append(value)
    body, is_base64 = _event_body(request.body, headers.get("Content-Type"), api.binary_media_types)
    now = time.time()
    return {
        "resource": request.resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": multi_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": multi_query,
        "pathParameters": request.path_parameters,
        "stageVariables": api.stage_variables,
        "requestContext": {
            "resourceId": f"{request.method} {request.resource}",
            "resourcePath": request.resource,
            "httpMethod": request.method,
            "extendedRequestId": request.request_id,
            "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
            "path": f"/{api.stage}{request.path}",
            "accountId": ACCOUNT_ID,
            "protocol": "HTTP/1.1",
            "stage": api.stage,
            "domainPrefix": "local",
            "domainName": headers.get("Host", ""),
            "requestId": request.request_id,
            "identity": {
                "sourceIp": request.client_ip,
                "userAgent": headers.get("User-Agent"),
                "accountId": None,
                "apiKey": None,
                "caller": None,
                "user": None,
                "userArn": None,
            },
            "apiId": api.logical_id,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def read_answer(payload: bytes, accept: str | None, binary_media_types: tuple[str, ...]) -> Response:
    """Return the HTTP response that a function's answer stands for. Raises MalformedAnswer."""
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise MalformedAnswer("not JSON") from error
    if not isinstance(answer, dict) or not answer.keys() <= _ANSWER_KEYS:
        raise MalformedAnswer("not an object with the keys of a proxy response")
    headers = _answer_headers(answer)
    content_type = next((value.decode("latin-1") for name, value in headers if name == b"content-type"), None)
    if content_type is None:
        content_type = "application/json"
        headers.append((b"content-type", b"application/json"))
    # Only the first type of Accept counts, whatever its weight:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
    wanted = accept.split(",")[0] if accept else content_type
    decodes = answer.get("isBase64Encoded") in (True, "true") and _is_binary(wanted, binary_media_types)
    return Response(_status(answer), headers, _answer_body(answer.get("body"), decodes=decodes))


def _event_body(
    body: bytes, content_type: str | None, binary_media_types: tuple[str, ...]
) -> tuple[str | None, bool]:
    if not body:
        return None, False
    if _is_binary(content_type or "application/json", binary_media_types):
        return base64.b64encode(body).decode("ascii"), True
    return body.decode("utf-8", "replace"), False


def _is_binary(content_type: str, binary_media_types: Iterable[str]) -> bool:
    media_type = content_type.split(";", maxsplit=1)[0].strip().lower()
    for candidate in binary_media_types:
        if candidate in ("*/*", media_type):
            return True
        if candidate.endswith("/*") and media_type.startswith(candidate[:-1]):
            return True
    return False


def _status(answer: Mapping[str, Any]) -> int:
    try:
        status = int(answer["statusCode"])
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedAnswer("no statusCode") from error
    if not 200 <= status <= 599:
        raise MalformedAnswer("a statusCode out of range")
    return status


def _answer_headers(answer: Mapping[str, Any]) -> Headers:
    """Both forms merged; a pair that is in both is given once."""
    single, multi = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        raise MalformedAnswer("headers are not an object")
    pairs = [(name, value) for name, values in multi.items() for value in _list(values)]
    pairs += [pair for pair in single.items() if pair not in pairs]
    headers = []
    for name, value in pairs:
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        try:
            header = (name.lower().encode("ascii"), text.encode("latin-1"))
        except UnicodeEncodeError as error:
            raise MalformedAnswer("a header that HTTP cannot carry") from error
        if _HEADER_NAME.fullmatch(header[0]) is None or _CONTROL_CHARACTER.search(header[1]):
            raise MalformedAnswer("a header that HTTP cannot carry")
        if header[0] not in _NOT_FORWARDED:
            headers.append(header)
    return headers


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise MalformedAnswer("multiValueHeaders are not lists")
    return values


def _answer_body(body: Any, *, decodes: bool) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer("the body is not a string")
    if not decodes:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedAnswer("the body is not base64") from error


@lru_cache(maxsize=1024)
def _title(name: bytes) -> str:
    return name.decode("latin-1").title()
