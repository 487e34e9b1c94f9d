"""The ingest function, over HTTP: GET /healthz, GET /metrics, POST /v1/ingest, POST /v2/ingest."""

from __future__ import annotations

from typing import cast

from aws_lambda_powertools.utilities.typing import LambdaContext
from chalice import Chalice, Response

from exchange.intake.metrics import metrics_page
from exchange.intake.service import intake
from exchange.platform.http import HttpRequest, answer, json_response

SERVICE = "ingest"
# Any content type reaches the view, so that the contract's own 415 answers: Chalice's would echo the header.
POST = {"methods": ["POST"], "content_types": ["*/*"]}

app = Chalice(SERVICE, configure_logs=False)


@app.route("/healthz")
def healthz() -> Response:
    return answer(app, SERVICE, lambda request: json_response(200, {"status": "ok"}, request.correlation_id))


@app.route("/metrics")
def metrics() -> Response:
    return answer(app, SERVICE, _render_metrics)


@app.route("/v1/ingest", **POST)
def ingest_v1() -> Response:
    return answer(app, SERVICE, _ingest)


@app.route("/v2/ingest", **POST)
def ingest_v2() -> Response:
    return answer(app, SERVICE, _ingest)


def _ingest(request: HttpRequest) -> Response:
    receipt = intake().submit(request, cast(LambdaContext, app.lambda_context))
    return json_response(202, vars(receipt), receipt.correlation_id)


def _render_metrics(request: HttpRequest) -> Response:
    return Response(metrics_page().render(), headers={"Content-Type": "text/plain; version=0.0.4"})


handler = app
