"""The REST APIs of a template: routes and the answers that the gateway itself gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .model import Api, GatewayResponse, HttpRoute, function_name_of
from .resources import Resources

_ANY = "x-amazon-apigateway-any-method"


def read_apis(resources: Resources) -> Iterator[Api]:
    """Yield every `AWS::ApiGateway::RestApi`, as SAM makes one of each `AWS::Serverless::Api`."""
    for logical_id, resource in resources.of("ApiGateway::RestApi"):
        body = (resource.get("Properties") or {}).get("Body") or {}
        stage, variables = "Prod", None
        for _, candidate in resources.of("ApiGateway::Stage"):
            if resources.get(candidate, "RestApiId") == resources.reference(logical_id):
                stage = str(resources.get(candidate, "StageName"))
                variables = resources.get(candidate, "Variables")
        types = resources.get(resource, "BinaryMediaTypes", [])
        declared = resources.resolve(body.get("x-amazon-apigateway-gateway-responses") or {})
        yield Api(
            logical_id=logical_id,
            stage=stage,
            routes=tuple(_routes(resources.resolve(body.get("paths") or {}))),
            binary_media_types=tuple(item.replace("~1", "/") for item in types),
            stage_variables=variables,
            gateway_responses={kind: _gateway_response(item) for kind, item in declared.items()},
        )


def _routes(paths: Mapping[str, Any]) -> Iterator[HttpRoute]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            integration = operation.get("x-amazon-apigateway-integration") or {}
            if integration.get("type", "").lower() == "aws_proxy":
                name = "ANY" if method == _ANY else method.upper()
                yield HttpRoute(name, path, function_name_of(integration["uri"]))


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
