"""The authorization of requests to an HTTP API by Lambda authorizers, with payload 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sam_offline.arn import ACCOUNT_ID
from sam_offline.execution.invoker import Invoker
from sam_offline.gateway.authorizers import Credentials, LambdaAuthorizer
from sam_offline.gateway.http.event import HttpEvents, route_key
from sam_offline.gateway.request import Request
from sam_offline.model import Authorizer, HttpApi, IdentitySource


class HttpAuthorization:
    """The authorizers of one API."""

    def __init__(self, api: HttpApi, region: str, invoker: Invoker, events: HttpEvents) -> None:
        self._api = api
        self._events = events
        self._arn = f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{api.logical_id}/{api.stage}"
        authorizers = {route.authorizer for route in api.routes if route.authorizer is not None}
        self._authorizers = {item: LambdaAuthorizer(item, invoker) for item in authorizers}

    async def authorize(self, authorizer: Authorizer, request: Request, version: str) -> dict[str, Any]:
        """Return `requestContext.authorizer` of the function's event of payload `version`. Raises NotAuthorized."""
        route_arn = f"{self._arn}/{request.method}{request.raw_path}"
        credentials = Credentials(route_arn, request.client_ip, lambda source: self._read(source, request))

        def make_event(identities: tuple[str, ...]) -> dict[str, Any]:
            event = self._events.event(request, authorizer.payload_version)
            for name in ("body", "isBase64Encoded"):
                event.pop(name, None)
            event["type"] = "REQUEST"
            if authorizer.payload_version == "1.0":
                event["methodArn"] = route_arn
                event["identitySource"] = event["authorizationToken"] = ",".join(identities)
            else:
                event["routeArn"] = route_arn
                event["identitySource"] = list(identities) or None
            return event

        verdict = await self._authorizers[authorizer].authorize(credentials, make_event)
        context = verdict.get("context")
        if version == "2.0":
            return {"lambda": context}
        principal = {} if authorizer.simple_responses else {"principalId": verdict.get("principalId")}
        return {**principal, **(context or {})}

    def _read(self, source: IdentitySource, request: Request) -> str | None:
        if source.place == "header":
            return request.header(source.name.lower().encode("latin-1"))
        if source.place == "querystring":
            return request.query_parameter(source.name)
        if source.place == "stageVariables":
            return (self._api.stage_variables or {}).get(source.name)
        return self._context(request).get(source.name)

    def _context(self, request: Request) -> Mapping[str, str]:
        """Return the `$context` variables that identity sources can name.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
        """
        return {
            "accountId": ACCOUNT_ID,
            "apiId": self._api.logical_id,
            "domainName": request.header(b"host") or "",
            "httpMethod": request.method,
            "identity.sourceIp": request.client_ip,
            "identity.userAgent": request.header(b"user-agent") or "",
            "path": self._events.raw_path(request),
            "protocol": "HTTP/1.1",
            "requestId": request.request_id,
            "routeKey": route_key(request.route),
            "stage": self._api.stage,
        }
