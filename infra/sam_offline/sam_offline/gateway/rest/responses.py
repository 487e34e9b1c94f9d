"""The answers of API Gateway itself: AWS's defaults, or the template's GatewayResponses.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sam_offline.gateway.answer import Response, header_of, is_carried
from sam_offline.http_server import Headers
from sam_offline.model import Api, GatewayResponse

_VARIABLE = re.compile(r"\$(?:context\.([A-Za-z.]+)|\{context\.([A-Za-z.]+)\})")


@dataclass(frozen=True, slots=True)
class GatewayError:
    """A response type of API Gateway with its default status and message."""

    response_type: str
    status: int
    message: str | None
    error_type: str
    # The key of the message in the body, which differs between types.
    key: str = "message"


# https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
NO_ROUTE = GatewayError(
    "MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token", "MissingAuthenticationTokenException"
)
TOO_LARGE = GatewayError("REQUEST_TOO_LARGE", 413, "Request Too Long", "RequestTooLargeException")
# The type's own status is 504; for a function that fails or answers nonsense API Gateway says 502.
BROKEN = GatewayError("INTEGRATION_FAILURE", 502, "Internal server error", "InternalServerErrorException")
# https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html: a refused invoke is a 500
REJECTED = GatewayError("INTEGRATION_FAILURE", 500, "Internal server error", "InternalServerErrorException")
TIMED_OUT = GatewayError(
    "INTEGRATION_TIMEOUT", 504, "Endpoint request timed out", "InternalServerErrorException"
)
UNDECODABLE = GatewayError(
    "API_CONFIGURATION_ERROR", 500, "Internal server error", "InternalServerErrorException"
)
UNAUTHORIZED = GatewayError("UNAUTHORIZED", 401, "Unauthorized", "UnauthorizedException")
DENIED = GatewayError(
    "ACCESS_DENIED",
    403,
    "User is not authorized to access this resource",
    "AccessDeniedException",
    key="Message",
)
DENIED_EXPLICITLY = replace(DENIED, message=f"{DENIED.message} with an explicit deny")
AUTHORIZER_FAILED = GatewayError("AUTHORIZER_FAILURE", 500, None, "AuthorizerFailureException")
AUTHORIZER_MALFORMED = GatewayError(
    "AUTHORIZER_CONFIGURATION_ERROR", 500, None, "AuthorizerConfigurationException"
)

_AS_IT_IS = GatewayResponse(None, {}, {})


class GatewayResponses:
    """Makes the answers of one API's gateway."""

    def __init__(self, api: Api) -> None:
        self._declared = api.gateway_responses

    def answer(self, error: GatewayError, context: Mapping[str, str], request_headers: Headers) -> Response:
        """Return the answer to a request. `context` is `$context` without `error`, its keys dotted."""
        fallback = self._declared.get(f"DEFAULT_{error.status // 100}XX", _AS_IT_IS)
        declared = self._declared.get(error.response_type, fallback)
        variables = {
            **context,
            "error.message": error.message or "",
            "error.messageString": json.dumps(error.message),
            "error.responseType": error.response_type,
        }
        content_type, template = _template_for(declared, error, request_headers)
        body = _VARIABLE.sub(lambda match: variables.get(match[1] or match[2], ""), template)
        headers: Headers = [
            (b"content-type", content_type.encode("latin-1")),
            (b"x-amzn-errortype", error.error_type.encode()),
        ]
        for name, expression in declared.headers.items():
            value = _mapped(expression, variables, request_headers)
            # `context.path` is decoded, so the client chooses its characters, line ends included.
            if value is not None and is_carried(value):
                headers.append(header_of(name, value))
        return Response(declared.status or fallback.status or error.status, headers, body.encode())


def _template_for(
    declared: GatewayResponse, error: GatewayError, request_headers: Headers
) -> tuple[str, str]:
    """Return the template for the type that the client accepts, else the one for JSON, else the first."""
    templates = declared.templates or {"application/json": f'{{"{error.key}":$context.error.messageString}}'}
    accepted = _header(request_headers, "accept") or ""
    wanted = accepted.split(",")[0].split(";")[0].strip().lower()
    candidates = (wanted, "application/json", next(iter(templates)))
    content_type = next(candidate for candidate in candidates if candidate in templates)
    return content_type, templates[content_type]


def _mapped(expression: str, variables: Mapping[str, str], request_headers: Headers) -> str | None:
    """Evaluate a parameter mapping: `'static'`, `context.name` or `method.request.header.Name`."""
    if expression.startswith("'") and expression.endswith("'"):
        return expression[1:-1]
    if expression.startswith("context."):
        return variables.get(expression.removeprefix("context."))
    if expression.startswith("method.request.header."):
        return _header(request_headers, expression.removeprefix("method.request.header."))
    return None


def _header(headers: Headers, name: str) -> str | None:
    wanted = name.lower().encode("latin-1")
    return next((value.decode("latin-1") for key, value in headers if key == wanted), None)
