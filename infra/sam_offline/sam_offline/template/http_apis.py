"""The HTTP APIs of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sam_offline.model import Cors, HttpApi
from sam_offline.template.resources import Resources
from sam_offline.template.rest_apis import read_routes

# "To enable caching": https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
_DEFAULT_TTL_SECONDS = 0.0


def read_http_apis(resources: Resources) -> Iterator[HttpApi]:
    """Yield every HTTP API (`AWS::ApiGatewayV2::Api`); SAM makes one of each `AWS::Serverless::HttpApi`."""
    for logical_id, resource in resources.of("ApiGatewayV2::Api"):
        body = resources.resolve((resource.get("Properties") or {}).get("Body") or {})
        if not body:
            continue
        stage, variables = "$default", None
        for _, candidate in resources.of("ApiGatewayV2::Stage"):
            if resources.get(candidate, "ApiId") == resources.reference(logical_id):
                stage = str(resources.get(candidate, "StageName"))
                variables = resources.get(candidate, "StageVariables")
        yield HttpApi(
            logical_id=logical_id,
            stage=stage,
            routes=tuple(read_routes(logical_id, body, _DEFAULT_TTL_SECONDS)),
            stage_variables=variables,
            cors=_cors(body.get("x-amazon-apigateway-cors")),
        )


def _cors(declared: Mapping[str, Any] | None) -> Cors | None:
    """Return the CORS configuration, if there is one.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    """
    if not declared:
        return None
    max_age = declared.get("maxAge")
    return Cors(
        allow_origins=tuple(declared.get("allowOrigins") or ()),
        allow_methods=tuple(declared.get("allowMethods") or ()),
        allow_headers=tuple(declared.get("allowHeaders") or ()),
        expose_headers=tuple(declared.get("exposeHeaders") or ()),
        allow_credentials=declared.get("allowCredentials") in (True, "true"),
        max_age_seconds=None if max_age is None else int(max_age),
    )
