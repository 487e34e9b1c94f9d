"""The tokenize function: GET /healthz and POST /tokenize over HTTP, and batches by direct invoke."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from chalice import Chalice, Response

from exchange.platform.faults import contain_faults
from exchange.platform.http import HttpRequest, answer, json_response
from exchange.platform.settings import load_settings
from exchange.tokens.service import is_batch, tokenize_batch, tokenize_request

SERVICE = "tokenize"

app = Chalice(SERVICE, configure_logs=False)


@app.route("/healthz")
def healthz() -> Response:
    return answer(app, SERVICE, lambda request: json_response(200, {"status": "ok"}, request.correlation_id))


@app.route("/tokenize", methods=["POST"], content_types=["*/*"])
def tokenize() -> Response:
    return answer(app, SERVICE, _tokenize)


def _tokenize(request: HttpRequest) -> Response:
    return json_response(200, tokenize_request(request, load_settings()), request.correlation_id)


@contain_faults(SERVICE)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # Chalice itself would answer a direct invoke with 500.
    if is_batch(event):
        return tokenize_batch(event, load_settings())
    response: dict[str, Any] = app(event, context)
    return response
