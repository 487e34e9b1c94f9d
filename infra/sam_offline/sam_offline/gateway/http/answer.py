"""HTTP responses made from a function's answer to an HTTP API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html#http-api-develop-integrations-lambda.response
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from sam_offline.gateway.answer import (
    MalformedAnswer,
    Response,
    add_content_type,
    header_of,
    is_base64,
    proxy_headers,
    read_body,
    read_object,
    read_status,
    single_headers,
    without_hops,
)

# The type of an answer with a status and no type; an inferred answer is JSON.
_DEFAULT_TYPE = b"text/plain; charset=utf-8"


def read_http_answer(payload: bytes, version: str) -> Response:
    """Return the response of an answer to payload `version`. Raises MalformedAnswer or UndecodableBody."""
    if version == "1.0":
        answer = read_object(payload)
        headers = proxy_headers(answer)
    else:
        try:
            parsed = json.loads(payload)
        except ValueError as error:
            raise MalformedAnswer("not JSON") from error
        if not isinstance(parsed, dict) or "statusCode" not in parsed:
            # "API Gateway makes the following assumptions if your Lambda function returns valid JSON and doesn't
            # return a statusCode": 200, JSON, and the body is what was returned.
            body = parsed.encode("utf-8", "replace") if isinstance(parsed, str) else payload
            return Response(200, [(b"content-type", b"application/json")], body)
        answer = parsed
        headers = single_headers(answer)
        cookies = answer.get("cookies") or ()
        if not isinstance(cookies, Iterable) or isinstance(cookies, str | dict):
            raise MalformedAnswer("cookies are no list")
        headers += [header_of("set-cookie", cookie) for cookie in cookies]
    add_content_type(headers, _DEFAULT_TYPE)
    body = read_body(answer, decodes=is_base64(answer))
    return Response(read_status(answer), without_hops(headers), body)
