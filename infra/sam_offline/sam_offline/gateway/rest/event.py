"""The proxy event of a REST API (payload 1.0).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from sam_offline.arn import ACCOUNT_ID
from sam_offline.gateway.request import FORWARDING_HEADERS, Request
from sam_offline.http_server import Scope

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: the table of headers
_DROPPED = {
    b"connection",
    b"content-md5",
    b"expect",
    b"max-forwards",
    b"proxy-authenticate",
    b"server",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"www-authenticate",
}
_IDENTITY = dict.fromkeys(
    (
        "accessKey",
        "accountId",
        "apiKey",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    )
)


class ProxyEvents:
    """Makes the proxy events of one API; an HTTP API with payload 1.0 has header names in lower case."""

    def __init__(
        self,
        api_id: str,
        stage: str,
        stage_variables: Mapping[str, str] | None,
        binary_media_types: tuple[str, ...],
        *,
        keeps_case: bool = True,
    ) -> None:
        self._api_id = api_id
        self._stage = stage
        self._stage_variables = stage_variables
        self._binary_media_types = binary_media_types
        self._keeps_case = keeps_case

    def event(self, request: Request) -> dict[str, Any]:
        """Return the event of `request`, without the authorizer's part."""
        headers, multi_headers = self._headers(request)
        query: dict[str, str] | None = None
        multi_query: dict[str, list[str]] | None = None
        if request.query:
            query, multi_query = {}, {}
            for name, value in parse_qsl(request.query.decode("latin-1"), keep_blank_values=True):
                query[name] = value
                multi_query.setdefault(name, []).append(value)
        raw_path, resource = request.raw_path, request.route.path
        body, is_base64 = _event_body(request.body, request.header(b"content-type"), self._binary_media_types)
        return {
            "resource": resource,
            # The path is as it was sent: only parameters are decoded.
            "path": raw_path,
            "httpMethod": request.method,
            "headers": headers,
            "multiValueHeaders": multi_headers,
            "queryStringParameters": query,
            "multiValueQueryStringParameters": multi_query,
            "pathParameters": request.path_parameters,
            "stageVariables": self._stage_variables,
            "requestContext": {
                "resourceId": f"{request.method} {resource}",
                "resourcePath": resource,
                "httpMethod": request.method,
                "extendedRequestId": request.request_id,
                "requestTime": request_time(request.time),
                "requestTimeEpoch": int(request.time * 1000),
                "path": f"/{self._stage}{raw_path}",
                "accountId": ACCOUNT_ID,
                "protocol": "HTTP/1.1",
                "stage": self._stage,
                "domainPrefix": self._api_id,
                "domainName": request.header(b"host") or "",
                "deploymentId": "local",
                "requestId": request.request_id,
                "identity": {
                    **_IDENTITY,
                    "sourceIp": request.client_ip,
                    "userAgent": request.header(b"user-agent"),
                },
                "apiId": self._api_id,
            },
            "body": body,
            "isBase64Encoded": is_base64,
        }

    def _headers(self, request: Request) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Return the headers with names as the client wrote them.

        "Header names … are processed in a case-sensitive way".
        """
        headers: dict[str, str] = {}
        multi_headers: dict[str, list[str]] = {}
        for (key, raw_value), raw_name in zip(request.headers, request.header_names, strict=True):
            if key in _DROPPED or key in FORWARDING_HEADERS:
                continue
            name = (raw_name if self._keeps_case else key).decode("latin-1")
            value = raw_value.decode("latin-1")
            headers[name] = value
            multi_headers.setdefault(name, []).append(value)
        for own_name, value in request.forwarding_headers:
            name = own_name if self._keeps_case else own_name.lower()
            headers[name] = value
            multi_headers[name] = [value]
        return headers, multi_headers


def context_variables(scope: Scope, api_id: str, stage: str, request_id: str) -> dict[str, str]:
    """Return the plain `$context` variables of a request, by the names that templates use.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
    """
    headers = dict(scope["headers"])
    return {
        "accountId": ACCOUNT_ID,
        "apiId": api_id,
        "domainName": headers.get(b"host", b"").decode("latin-1"),
        "domainPrefix": api_id,
        "extendedRequestId": request_id,
        "httpMethod": scope["method"],
        "identity.sourceIp": scope["client"][0],
        "identity.userAgent": headers.get(b"user-agent", b"").decode("latin-1"),
        "path": f"/{stage}{unquote(scope['raw_path'].decode('latin-1'))}",
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "stage": stage,
    }


def is_binary(content_type: str, binary_media_types: Iterable[str]) -> bool:
    """Return whether a media type is among an API's BinaryMediaTypes, wildcards included."""
    media_type = content_type.split(";", maxsplit=1)[0].strip().lower()
    for candidate in binary_media_types:
        if candidate == "*/*" or candidate.lower() == media_type:
            return True
        if candidate.endswith("/*") and media_type.startswith(candidate[:-1].lower()):
            return True
    return False


def request_time(seconds: float) -> str:
    """Return a moment as `12/Mar/2020:19:03:58 +0000`."""
    return _request_time(int(seconds))


@lru_cache(maxsize=2)
def _request_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def _event_body(
    body: bytes, content_type: str | None, binary_media_types: tuple[str, ...]
) -> tuple[str | None, bool]:
    if not body:
        return None, False
    if is_binary(content_type or "application/json", binary_media_types):
        return base64.b64encode(body).decode("ascii"), True
    return body.decode("utf-8", "replace"), False
