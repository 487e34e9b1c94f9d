"""The events of an HTTP API: payload 2.0, and HTTP APIs' form of payload 1.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from sam_offline.arn import ACCOUNT_ID
from sam_offline.gateway.request import Request
from sam_offline.gateway.rest.event import ProxyEvents, request_time
from sam_offline.model import HttpApi, HttpRoute

# The types whose body is passed on as text; every other body is base64, forms and bodies without a type too. AWS does
# not publish the list: "If the content type of the request is binary, the body is base64-encoded."
_TEXT_TYPES = {"application/javascript", "application/json", "application/xml"}


class HttpEvents:
    """Makes the events of one API. Payload 2.0 has no key for a part that the request lacks."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api
        # On AWS the stage is a part of the URL's path unless it is `$default`.
        self.path_prefix = "" if api.stage == "$default" else f"/{api.stage}"
        self._proxy_events = ProxyEvents(api.logical_id, api.stage, api.stage_variables, (), keeps_case=False)

    def event(self, request: Request, version: str) -> dict[str, Any]:
        """Return the event of `request` in payload `version`, without the authorizer's part."""
        return self._event_1(request) if version == "1.0" else self._event_2(request)

    def raw_path(self, request: Request) -> str:
        """Return the path as an HTTP API reports it: decoded, with the stage."""
        return self.path_prefix + unquote(request.raw_path)

    def _event_2(self, request: Request) -> dict[str, Any]:
        headers, cookies = _headers(request)
        api, path, key = self._api, self.raw_path(request), route_key(request.route)
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": key,
            "rawPath": path,
            "rawQueryString": request.query.decode("latin-1"),
            "headers": headers,
            "requestContext": {
                "accountId": ACCOUNT_ID,
                "apiId": api.logical_id,
                "domainName": headers.get("host", ""),
                "domainPrefix": api.logical_id,
                "http": {
                    "method": request.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": request.client_ip,
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": request.request_id,
                "routeKey": key,
                "stage": api.stage,
                "time": request_time(request.time),
                "timeEpoch": int(request.time * 1000),
            },
            "isBase64Encoded": False,
        }
        if cookies:
            event["cookies"] = cookies
        if request.query:
            event["queryStringParameters"] = _joined_query(request)
        if request.path_parameters:
            event["pathParameters"] = request.path_parameters
        if api.stage_variables:
            event["stageVariables"] = api.stage_variables
        if request.body:
            event["body"], event["isBase64Encoded"] = _body(request)
        return event

    def _event_1(self, request: Request) -> dict[str, Any]:
        event = self._proxy_events.event(request)
        path = self.raw_path(request)
        event["version"] = "1.0"
        event["path"] = event["requestContext"]["path"] = path
        if request.body:
            event["body"], event["isBase64Encoded"] = _body(request)
        return event


def route_key(route: HttpRoute) -> str:
    """Return a route's name, such as `GET /people/{id}` or `$default`."""
    return "$default" if route.path == "$default" else f"{route.method} {route.path}"


def _headers(request: Request) -> tuple[dict[str, str], list[str]]:
    """Return the headers with names in lower case and duplicates joined by commas, and the cookies apart."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for raw_name, raw_value in request.headers:
        value = raw_value.decode("latin-1")
        if raw_name == b"cookie":
            cookies += [cookie for item in value.split(";") if (cookie := item.strip())]
            continue
        name = raw_name.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    headers.update((name.lower(), value) for name, value in request.forwarding_headers)
    return headers, cookies


def _joined_query(request: Request) -> Mapping[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query.decode("latin-1"), keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query


def _body(request: Request) -> tuple[str, bool]:
    media_type = (request.header(b"content-type") or "").split(";", maxsplit=1)[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        return request.body.decode("utf-8", "replace"), False
    return base64.b64encode(request.body).decode("ascii"), True
