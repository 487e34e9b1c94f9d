"""The parts of a template that the runner does not support, announced once at the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.arn import function_name_of
from sam_offline.template.authorizers import is_lambda_authorizer, security_schemes
from sam_offline.template.kafka import read_unsupported_sources
from sam_offline.template.resources import Resources
from sam_offline.template.rest_apis import runs_here

_SERVICE = ".amazonaws.com"
_CALLERS_RUN_HERE = {f"{name}{_SERVICE}" for name in ("apigateway", "events", "scheduler")}


def find_notices(resources: Resources) -> Iterator[str]:
    """Yield a line for each external layer, unchecked authorizer, unserved route and unsupported event source."""
    yield from _layers(resources)
    for logical_id, service in read_unsupported_sources(resources):
        yield f"{logical_id}: its source is {service}, which is not run here"
    yield from _callers(resources)
    for kind in ("ApiGateway::RestApi", "ApiGatewayV2::Api"):
        for logical_id, resource in resources.of(kind):
            body = resources.resolve((resource.get("Properties") or {}).get("Body") or {})
            operations = list(_operations(body))
            for name in sorted(_unchecked(body, [operation for _, operation in operations])):
                yield f"{logical_id}: {name} is not checked here, its routes are open"
            for route, operation in operations:
                integration = operation.get("x-amazon-apigateway-integration")
                if integration is not None and not runs_here(integration):
                    yield f"{logical_id}: {route} is not served here, for it calls no function"


def _layers(resources: Resources) -> Iterator[str]:
    known = {resources.reference(logical_id) for logical_id, _ in resources.of("Lambda::LayerVersion")}
    functions: dict[str, list[str]] = {}
    for logical_id, resource in resources.of("Lambda::Function"):
        for layer in resources.get(resource, "Layers", []):
            if layer not in known:
                functions.setdefault(layer, []).append(logical_id)
    for layer, users in functions.items():
        yield f"{', '.join(users)}: layer {layer} is not in the template and left out"


def _callers(resources: Resources) -> Iterator[str]:
    for _, permission in resources.of("Lambda::Permission"):
        principal = str(resources.get(permission, "Principal", ""))
        if principal.endswith(_SERVICE) and principal not in _CALLERS_RUN_HERE:
            function = function_name_of(str(resources.get(permission, "FunctionName")))
            yield f"{function}: {principal.removesuffix(_SERVICE)} may invoke it, which is not run here"
    for logical_id, rule in resources.of("Events::Rule"):
        if "EventPattern" in (rule.get("Properties") or {}):
            yield f"{logical_id}: matches events, which are not run here"


def _operations(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in (body.get("paths") or {}).items():
        for method, operation in methods.items():
            if isinstance(operation, Mapping):
                yield f"{method.removeprefix('x-amazon-apigateway-').upper()} {path}", operation


def _unchecked(body: Mapping[str, Any], operations: list[Mapping[str, Any]]) -> set[str]:
    schemes = security_schemes(body)
    return {
        name
        for operation in operations
        for requirement in operation.get("security") or ()
        for name in requirement
        if name in schemes and not is_lambda_authorizer(schemes[name])
    }
