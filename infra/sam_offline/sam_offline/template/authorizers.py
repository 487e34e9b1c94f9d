"""The Lambda authorizers in an API's OpenAPI document, as SAM writes them.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authorizer.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.arn import function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import Authorizer, IdentitySource

_EXTENSION = "x-amazon-apigateway-authorizer"


def security_schemes(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the security schemes of an OpenAPI 2 or 3 document, by name."""
    schemes = body.get("securityDefinitions") or (body.get("components") or {}).get("securitySchemes")
    return schemes or {}


def is_lambda_authorizer(scheme: Mapping[str, Any]) -> bool:
    """Return whether a function decides, as opposed to Cognito, a JWT issuer, IAM or an API key."""
    return "authorizerUri" in (scheme.get(_EXTENSION) or {})


class DeclaredAuthorizers:
    """The authorizers of one API. Cognito, JWT and IAM authorizers are not checked and let everybody in."""

    def __init__(self, api: str, body: Mapping[str, Any], default_ttl_seconds: float) -> None:
        self._api = api
        self._schemes = security_schemes(body)
        self._default_ttl_seconds = default_ttl_seconds

    def of(self, operation: Mapping[str, Any]) -> Authorizer | None:
        """Return the Lambda authorizer that guards an operation. Raises TemplateError for a broken one."""
        for requirement in operation.get("security") or ():
            for name in requirement:
                scheme = self._schemes.get(name) or {}
                if is_lambda_authorizer(scheme):
                    return self._authorizer(name, scheme[_EXTENSION])
        return None

    def _authorizer(self, name: str, declared: Mapping[str, Any]) -> Authorizer:
        kind = str(declared.get("type", "")).upper()
        sources = tuple(self._identity_sources(name, kind, declared.get("identitySource") or ""))
        ttl = declared.get("authorizerResultTtlInSeconds")
        return Authorizer(
            name=name,
            type=kind,
            function_name=function_name_of(declared["authorizerUri"]),
            identity_sources=sources,
            ttl_seconds=self._default_ttl_seconds if ttl is None else float(ttl),
            token_pattern=declared.get("identityValidationExpression"),
            payload_version=str(declared.get("authorizerPayloadFormatVersion") or "1.0"),
            simple_responses=declared.get("enableSimpleResponses") in (True, "true"),
        )

    def _identity_sources(self, name: str, kind: str, declared: Any) -> Iterator[IdentitySource]:
        if kind == "TOKEN":
            yield IdentitySource("header", self._schemes[name]["name"])
            return
        expressions = declared.split(",") if isinstance(declared, str) else declared
        for expression in filter(None, (item.strip() for item in expressions)):
            # `method.request.header.X` of a REST API, `$request.header.X` of an HTTP API
            path = expression.removeprefix("$").removeprefix("method.").removeprefix("request.")
            place, _, key = path.partition(".")
            if place not in ("header", "querystring", "stageVariables", "context") or not key:
                raise TemplateError(f"{self._api}: {name} has an identity source that is none: {expression}")
            yield IdentitySource(place, key)
