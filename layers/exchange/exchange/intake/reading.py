"""From an HTTP request to a Submission: every check a request must pass, in the order a client would fix them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from exchange.errors import ContractViolation, InvalidRequest
from exchange.intake.model import BODY_LIMIT_BYTES, Submission
from exchange.partners.service import PartnerRegistry
from exchange.platform.auth import Caller
from exchange.platform.contracts import contract
from exchange.platform.http import HttpRequest
from exchange.platform.strict_json import parse_json


@dataclass(frozen=True)
class Route:
    """One version of the ingest route and the names its body uses."""

    path: str
    version: str
    contract: str
    kind_field: str


ROUTES = {
    route.path: route
    for route in (
        Route("/v1/ingest", "1", "api/schemas/ingest.v1", "record_type"),
        Route("/v2/ingest", "2", "api/schemas/ingest.v2", "record_kind"),
    )
}


def read_submission(request: HttpRequest, caller: Caller, partners: PartnerRegistry) -> Submission:
    """The submission that `caller` sends with `request`; raises RequestRefused, naming the field."""
    route = ROUTES[request.route]
    caller.require_scope("ingest:write")
    request.require_json()
    idempotency_key = _read_idempotency_key(request)
    request.require_body_within(BODY_LIMIT_BYTES)
    body = _read_body(request, route)
    partner = partners.partner_for(caller, body["source"])
    schema_hint = body.get("schema_hint", partner.default_schema_hint)
    partner.require_hint(schema_hint)
    return Submission(
        partner_id=partner.partner_id,
        source=body["source"],
        route=route.path,
        version=route.version,
        record_kind=body[route.kind_field],
        schema_hint=schema_hint,
        correlation_id=request.correlation_id,
        occurred_at=_now(),
        idempotency_key=idempotency_key,
        body=request.body,
    )


def _now() -> datetime:
    """In milliseconds, as the object's metadata keep it: the manifest and what is rebuilt of it are the same row."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _read_idempotency_key(request: HttpRequest) -> str:
    key = request.header("Idempotency-Key")
    if key is None:
        raise InvalidRequest("is required", field="Idempotency-Key")
    contract("api/schemas/idempotency_key").validate(key, at="Idempotency-Key")
    return key


def _read_body(request: HttpRequest, route: Route) -> dict[str, Any]:
    if not request.body:
        raise InvalidRequest("is empty", field="body")
    body: Any = parse_json(request.body)
    contract(route.contract).validate(body)
    born = date.fromisoformat(body["patient"]["dob"])
    # Tomorrow, since it is already tomorrow somewhere.
    if born > datetime.now(UTC).date() + timedelta(days=1):
        raise ContractViolation("lies in the future", field="patient.dob")
    return body  # type: ignore[no-any-return]
