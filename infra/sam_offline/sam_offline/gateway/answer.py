"""HTTP responses made from a function's answer to a proxy event of payload 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sam_offline.gateway.rest.event import is_binary
from sam_offline.http_server import Headers
from sam_offline.model import FixedResponse

_ANSWER_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded"}
# RFC 9110 sections 5.1 and 5.5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_UNCARRIED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
# RFC 9110 section 7.6.1; this server itself sets the length.
_HOP_BY_HOP = {
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
# The table of https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
_REST_DROPPED = {b"expect", b"host", b"via"}
_REST_REMAPPED = {
    b"authorization",
    b"connection",
    b"content-md5",
    b"date",
    b"max-forwards",
    b"server",
    b"user-agent",
    b"www-authenticate",
}


class MalformedAnswer(Exception):
    """The function's answer is not one that API Gateway accepts from a proxy integration."""


class UndecodableBody(Exception):
    """The body is marked as base64 but cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers
    body: bytes


def read_rest_answer(payload: bytes, accept: str | None, binary_media_types: tuple[str, ...]) -> Response:
    """Return the response of a REST API. Raises MalformedAnswer or UndecodableBody."""
    answer = read_object(payload)
    if not answer.keys() <= _ANSWER_KEYS:
        raise MalformedAnswer("an object with other keys than a proxy response's")
    headers = [_as_rest(header) for header in proxy_headers(answer) if header[0] not in _REST_DROPPED]
    content_type = add_content_type(headers, b"application/json")
    # Only the first type of Accept counts, whatever its weight:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
    wanted = accept.split(",")[0] if accept else content_type
    decodes = is_base64(answer) and is_binary(wanted, binary_media_types)
    return Response(read_status(answer), without_hops(headers), read_body(answer, decodes=decodes))


def fixed_response(declared: FixedResponse) -> Response:
    """Return the response of a mock integration."""
    headers = [header_of(name, value) for name, value in declared.headers]
    add_content_type(headers, b"application/json")
    return Response(declared.status, headers, declared.body.encode())


def read_object(payload: bytes) -> Mapping[str, Any]:
    """Return an answer that must be a JSON object. Raises MalformedAnswer."""
    try:
        answer = json.loads(payload)
    except ValueError as error:
        raise MalformedAnswer("not JSON") from error
    if not isinstance(answer, dict):
        raise MalformedAnswer("not an object")
    return answer


def read_status(answer: Mapping[str, Any]) -> int:
    """Return the status, which may be a string or a number. Raises MalformedAnswer."""
    value = answer.get("statusCode")
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise MalformedAnswer("no statusCode")
    try:
        status = int(value)
    except ValueError as error:
        raise MalformedAnswer("a statusCode that is no number") from error
    if not 200 <= status <= 599:
        raise MalformedAnswer("a statusCode out of range")
    return status


def proxy_headers(answer: Mapping[str, Any]) -> Headers:
    """Return both forms of headers merged, names in lower case; a pair in both is given once."""
    multi = answer.get("multiValueHeaders") or {}
    if not isinstance(multi, dict) or not all(isinstance(values, list) for values in multi.values()):
        raise MalformedAnswer("multiValueHeaders are not lists")
    headers = [header_of(name, value) for name, values in multi.items() for value in values]
    for header in single_headers(answer):
        if header not in headers:
            headers.append(header)
    return headers


def single_headers(answer: Mapping[str, Any]) -> Headers:
    """Return `headers`, names in lower case and without nulls. Raises MalformedAnswer."""
    single = answer.get("headers") or {}
    if not isinstance(single, dict):
        raise MalformedAnswer("headers are not an object")
    return [header_of(name, value) for name, value in single.items() if value is not None]


def header_of(name: str, value: Any) -> tuple[bytes, bytes]:
    """Return a header as HTTP carries it. Raises MalformedAnswer."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str | int | float):
        text = str(value)
    else:
        raise MalformedAnswer("a header that is no text")
    lowered = name.lower()
    if _HEADER_NAME.fullmatch(lowered) is None or not is_carried(text):
        raise MalformedAnswer("a header that HTTP cannot carry")
    return lowered.encode("ascii"), text.encode("latin-1")


def is_carried(text: str) -> bool:
    """Return whether a text can be the value of an HTTP header."""
    return _UNCARRIED.search(text) is None


def without_hops(headers: Headers) -> Headers:
    """Return the headers without those that this server itself sets."""
    return [header for header in headers if header[0] not in _HOP_BY_HOP]


def add_content_type(headers: Headers, default: bytes) -> str:
    """Return the content type, or the default if the function has set none."""
    for name, value in headers:
        if name == b"content-type":
            return value.decode("latin-1")
    headers.append((b"content-type", default))
    return default.decode()


def is_base64(answer: Mapping[str, Any]) -> bool:
    """Return whether the answer is marked as base64; `base64Encoded` is an older name of the mark."""
    return answer.get("isBase64Encoded", answer.get("base64Encoded")) in (True, "true")


def read_body(answer: Mapping[str, Any], *, decodes: bool) -> bytes:
    """Return the body's bytes. Raises MalformedAnswer or UndecodableBody."""
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer("the body is not a string")
    if not decodes:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableBody("the body is not base64") from error


def _as_rest(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return (b"x-amzn-remapped-" + name, value) if name in _REST_REMAPPED else header
