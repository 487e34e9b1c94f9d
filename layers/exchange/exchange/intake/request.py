"""The checks that turn an HTTP request into a Submission, in the order in which a client would fix failures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from exchange.errors import ContractViolation, InvalidRequest
from exchange.intake.model import Submission
from exchange.partners.service import PartnerRegistry
from exchange.platform.auth import Caller
from exchange.platform.contracts import contract
from exchange.platform.http import HttpRequest
from exchange.platform.strict_json import parse_json
from exchange.raw.entry import BODY_LIMIT_BYTES, ROUTES, Version


def read_submission(request: HttpRequest, caller: Caller, partners: PartnerRegistry) -> Submission:
    """Read the submission in `request`, sent by `caller`; raises RequestRefused, naming the field."""
    version = ROUTES[request.route]
    caller.require_scope("ingest:write")
    request.require_json()
    idempotency_key = _read_idempotency_key(request)
    request.require_body_within(BODY_LIMIT_BYTES)
    body = _read_body(request, version)
    partner = partners.partner_for(caller, body["source"])
    schema_hint = body.get("schema_hint", partner.default_schema_hint)
    partner.require_hint(schema_hint)
    return Submission(
        partner_id=partner.partner_id,
        source=body["source"],
        route=version.route,
        record_kind=body[version.kind_field],
        schema_hint=schema_hint,
        correlation_id=request.correlation_id,
        occurred_at=_now(),
        idempotency_key=idempotency_key,
        body=request.body,
    )


def _now() -> datetime:
    """Return the time, cut to milliseconds as in object metadata, so that a rebuilt manifest row is the same."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _read_idempotency_key(request: HttpRequest) -> str:
    key = request.header("Idempotency-Key")
    if key is None:
        raise InvalidRequest("is required", field="Idempotency-Key")
    contract("api/schemas/idempotency_key").validate(key, at="Idempotency-Key")
    return key


def _read_body(request: HttpRequest, version: Version) -> dict[str, Any]:
    if not request.body:
        raise InvalidRequest("is empty", field="body")
    body: Any = parse_json(request.body)
    contract(version.request_contract).validate(body)
    born = date.fromisoformat(body["patient"]["dob"])
    # Tomorrow is allowed, since it has already begun in some time zones.
    if born > datetime.now(UTC).date() + timedelta(days=1):
        raise ContractViolation("lies in the future", field="patient.dob")
    return body  # type: ignore[no-any-return]
