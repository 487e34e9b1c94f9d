"""The REST APIs of a template: their routes and gateway responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.arn import function_name_of
from sam_offline.model import Api, FixedResponse, GatewayResponse, HttpRoute
from sam_offline.template.authorizers import DeclaredAuthorizers
from sam_offline.template.resources import Resources

_ANY = "x-amazon-apigateway-any-method"
_HEADER = "method.response.header."
# https://docs.aws.amazon.com/apigateway/latest/api/API_Authorizer.html#apigw-Type-Authorizer-authorizerResultTtlInSeconds
_DEFAULT_TTL_SECONDS = 300.0


def read_apis(resources: Resources) -> Iterator[Api]:
    """Yield every REST API (`AWS::ApiGateway::RestApi`); SAM makes one of each `AWS::Serverless::Api`."""
    for logical_id, resource in resources.of("ApiGateway::RestApi"):
        body = resources.resolve((resource.get("Properties") or {}).get("Body") or {})
        stage, variables = "Prod", None
        for _, candidate in resources.of("ApiGateway::Stage"):
            if resources.get(candidate, "RestApiId") == resources.reference(logical_id):
                stage = str(resources.get(candidate, "StageName"))
                variables = resources.get(candidate, "Variables")
        types = resources.get(resource, "BinaryMediaTypes") or body.get(
            "x-amazon-apigateway-binary-media-types", []
        )
        declared = body.get("x-amazon-apigateway-gateway-responses") or {}
        yield Api(
            logical_id=logical_id,
            stage=stage,
            routes=tuple(read_routes(logical_id, body, _DEFAULT_TTL_SECONDS)),
            binary_media_types=tuple(item.replace("~1", "/") for item in types),
            stage_variables=variables,
            gateway_responses={kind: _gateway_response(item) for kind, item in declared.items()},
        )


def read_routes(logical_id: str, body: Mapping[str, Any], default_ttl_seconds: float) -> Iterator[HttpRoute]:
    """Yield the routes of an OpenAPI document whose integration is a Lambda proxy or a mock.

    An authorizer without a TTL of its own is cached for `default_ttl_seconds`.
    """
    authorizers = DeclaredAuthorizers(logical_id, body, default_ttl_seconds)
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            if not isinstance(operation, Mapping):
                continue
            integration = operation.get("x-amazon-apigateway-integration") or {}
            if not runs_here(integration):
                continue
            timeout_ms = integration.get("timeoutInMillis")
            yield HttpRoute(
                method="ANY" if method == _ANY else method.upper(),
                path=path,
                integration=_fixed_response(integration)
                if integration["type"].lower() == "mock"
                else function_name_of(integration["uri"]),
                authorizer=authorizers.of(operation),
                payload_version=str(integration.get("payloadFormatVersion", "1.0")),
                timeout_seconds=None if timeout_ms is None else float(timeout_ms) / 1000,
            )


def runs_here(integration: Mapping[str, Any]) -> bool:
    """Return whether an integration is a mock or a Lambda proxy; the runner calls no other services."""
    kind = str(integration.get("type", "")).lower()
    return kind == "mock" or (kind == "aws_proxy" and "/functions/" in str(integration.get("uri", "")))


def _fixed_response(integration: Mapping[str, Any]) -> FixedResponse:
    """Return the response that a mock's request template selects; templates are taken literally.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
    """
    try:
        template = json.loads((integration.get("requestTemplates") or {}).get("application/json", "{}"))
    except ValueError:
        template = {}
    responses = integration.get("responses") or {}
    selected = str(template.get("statusCode", "200"))
    response = responses.get(selected) or responses.get("default") or {}
    headers = tuple(
        (name.removeprefix(_HEADER), str(value).strip("'"))
        for name, value in (response.get("responseParameters") or {}).items()
        if name.startswith(_HEADER)
    )
    body = (response.get("responseTemplates") or {}).get("application/json", "")
    return FixedResponse(int(response.get("statusCode", selected)), headers, body)


def _gateway_response(declared: Mapping[str, Any]) -> GatewayResponse:
    status = declared.get("statusCode")
    prefix = "gatewayresponse.header."
    return GatewayResponse(
        status=None if status is None else int(status),
        headers={
            name.removeprefix(prefix): value
            for name, value in (declared.get("responseParameters") or {}).items()
            if name.startswith(prefix)
        },
        templates=declared.get("responseTemplates") or {},
    )
