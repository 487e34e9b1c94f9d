"""The authorization of requests to a REST API by Lambda authorizers, TOKEN and REQUEST.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sam_offline.arn import ACCOUNT_ID
from sam_offline.execution.invoker import Invoker
from sam_offline.gateway.authorizers import Credentials, LambdaAuthorizer, NotAuthorized, Refusal
from sam_offline.gateway.request import Request
from sam_offline.model import Api, Authorizer, IdentitySource

# A REQUEST authorizer gets empty objects where a function gets nulls.
_EMPTY_WHERE_NONE = (
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
)


class RestAuthorization:
    """The authorizers of one API."""

    def __init__(self, api: Api, region: str, invoker: Invoker) -> None:
        self._api = api
        self._arn = f"arn:aws:execute-api:{region}:{ACCOUNT_ID}:{api.logical_id}/{api.stage}"
        authorizers = {route.authorizer for route in api.routes if route.authorizer is not None}
        self._authorizers = {item: LambdaAuthorizer(item, invoker) for item in authorizers}

    async def authorize(
        self, authorizer: Authorizer, request: Request, event: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return `requestContext.authorizer` of the function's event. Raises NotAuthorized.

        `event` is the function's event, which a REQUEST authorizer gets without the body.
        """
        method_arn = f"{self._arn}/{request.method}{event['path']}"
        credentials = Credentials(
            method_arn, request.client_ip, lambda source: self._read(source, request, event)
        )

        def make_event(identities: tuple[str, ...]) -> dict[str, Any]:
            if authorizer.type == "TOKEN":
                return {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": identities[0]}
            made = {"type": "REQUEST", "methodArn": method_arn, **event}
            made |= {name: made[name] or {} for name in _EMPTY_WHERE_NONE}
            del made["body"], made["isBase64Encoded"]
            return made

        verdict = await self._authorizers[authorizer].authorize(credentials, make_event)
        context = {name: _text(value) for name, value in (verdict.get("context") or {}).items()}
        return {"principalId": verdict["principalId"], "integrationLatency": 0, **context}

    def _read(self, source: IdentitySource, request: Request, event: Mapping[str, Any]) -> str | None:
        if source.place == "header":
            return request.header(source.name.lower().encode("latin-1"))
        if source.place == "querystring":
            return (event["queryStringParameters"] or {}).get(source.name)
        if source.place == "stageVariables":
            return (self._api.stage_variables or {}).get(source.name)
        value: Any = event["requestContext"]
        for key in source.name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else str(value)


def _text(value: Any) -> str:
    """Return a value of the authorizer's context as the function gets it. Raises NotAuthorized.

    "The returned values are all stringified. Notice that you cannot set a JSON object or array as a valid value":
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        raise NotAuthorized(Refusal.MALFORMED)
    return json.dumps(value)
