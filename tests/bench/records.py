"""The records of the measurements: the contract's own example, each under another key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from exchange.intake.model import Submission
from infra.system.addresses import Addresses
from infra.system.layout import ROOT
from infra.system.local_tokens import sign_token
from tests.bench.load import post

EXAMPLE = json.loads((ROOT / "contracts/api/schemas/ingest.v2.json").read_text())["examples"][0]
ROUTE = "/v2/ingest"


def body_of(number: int) -> bytes:
    """Return a valid body, with another person for each number."""
    patient = EXAMPLE["patient"] | {"family_name": f"Lee {number}"}
    return json.dumps(EXAMPLE | {"patient": patient}).encode()


def submission_of(number: int, run: str) -> Submission:
    """Return the same record as ingest accepts it."""
    return Submission(
        partner_id="partnerA",
        source=EXAMPLE["source"],
        route=ROUTE,
        record_kind=EXAMPLE["record_kind"],
        schema_hint=EXAMPLE["schema_hint"],
        correlation_id=f"bench-{run}-{number:08}",
        occurred_at=datetime.now(UTC),
        idempotency_key=f"{run}-{number:08}",
        body=body_of(number),
    )


def requests(addresses: Addresses, run: str, count: int) -> Iterator[bytes]:
    """Yield `count` requests with a real token, each for another record."""
    token = sign_token(addresses.jwt_secret, "partnerA")
    for number in range(count):
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{run}-{number:08}",
        }
        yield post(ROUTE, body_of(number), headers)
