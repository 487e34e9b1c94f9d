"""The records that partners send: different encounters, claims and lab results, a few of them unreadable."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from infra.system.layout import ROOT

KINDS = ("encounter", "claim", "lab_result")
# For each format and kind, the field with the number that identifies the record.
NUMBER_OF = {
    "partnerA.v1": {"encounter": "visit_number", "claim": "claim_number", "lab_result": "accession_number"},
    "partnerA.v2": {"encounter": "identifier", "claim": "identifier", "lab_result": "accession"},
    "partnerB.v1": {"encounter": "encounter_id", "claim": "claim_number", "lab_result": "accession_number"},
}
SENDERS = (
    ("hospital-a", "/v1/ingest", "partnerA.v1"),
    ("hospital-a", "/v2/ingest", "partnerA.v2"),
    ("hospital-b", "/v2/ingest", "partnerB.v1"),
)
ONE_IN_UNREADABLE = 50


@dataclass(frozen=True)
class Posting:
    """A record as a partner sends it, and the outcome that it must have."""

    number: int
    route: str
    idempotency_key: str
    body: bytes = field(repr=False)
    is_readable: bool = True


def compose(run: str, number: int) -> Posting:
    """Compose record `number` of a run; its key, its bytes and its own number differ from any other record's."""
    source, route, hint = SENDERS[number % len(SENDERS)]
    kind = KINDS[number // len(SENDERS) % len(KINDS)]
    is_readable = number % ONE_IN_UNREADABLE != ONE_IN_UNREADABLE - 1
    payload = _payload(hint, kind, f"{run}-{number}") if is_readable else {"number": number}
    person = {"dob": f"19{number % 100:02}-0{number % 9 + 1}-1{number % 10}", "ssn": None}
    given_name, family_name = f"Given{number}", "Chaos"
    if route == "/v1/ingest":
        patient = {"first_name": given_name, "last_name": family_name, **person}
        body: dict[str, object] = {"record_type": kind}
    else:
        patient = {"given_name": given_name, "family_name": family_name, **person}
        body = {"record_kind": kind, "schema_hint": hint}
    content = json.dumps(body | {"source": source, "patient": patient, "payload": payload})
    return Posting(number, route, f"chaos-{run}-{number:06}", content.encode(), is_readable)


def _payload(hint: str, kind: str, number: str) -> dict[str, Any]:
    payload = dict(_example(hint, kind))
    name = NUMBER_OF[hint][kind]
    own = payload[name]
    payload[name] = {**own, "value": number} if isinstance(own, dict) else number
    return payload


@cache
def _example(hint: str, kind: str) -> dict[str, Any]:
    schema = json.loads((ROOT / "contracts" / "partners" / hint / f"{kind}.json").read_bytes())
    example: dict[str, Any] = schema["examples"][0]
    return example
