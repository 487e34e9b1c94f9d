"""Tables of requests that are answered with a 4xx: the fault of each, the status, and the field that is named."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.running_system import Headers

CANARY = "Quetzalcoatl"
KEY = "Idempotency-Key"
# Far enough in the future for a test run past midnight.
FUTURE = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
PATIENT = {"first_name": "Sam", "last_name": "Lee", "dob": "1990-01-01", "ssn": "123-45-6789"}
V1: dict[str, Any] = {"source": "hospital-a", "record_type": "encounter", "patient": PATIENT, "payload": {}}
V2: dict[str, Any] = {
    "source": "hospital-b",
    "record_kind": "claim",
    "schema_hint": "partnerB.v1",
    "patient": {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01"},
    "payload": {},
}
MIB = 1024 * 1024


@dataclass(frozen=True)
class Bad:
    """A bad request and its answer. `headers` replace the good ones of the same name; None omits one."""

    status: int
    field: str
    body: bytes = json.dumps(V1).encode()
    path: str = "/v1/ingest"
    headers: dict[str, str | list[str] | None] = dataclasses.field(default_factory=dict)

    def headers_to_send(self) -> Headers:
        good: dict[str, str | list[str] | None] = {
            "Authorization": "Bearer dev",
            "Content-Type": "application/json",
            KEY: "a-good-key-0001",
        }
        return [
            (name, value)
            for name, values in (good | self.headers).items()
            for value in ([values] if isinstance(values, str) else values or [])
        ]


def v1(**changes: object) -> bytes:
    return json.dumps(V1 | changes).encode()


def patient(**changes: object) -> bytes:
    return v1(patient=PATIENT | changes)


def without(name: str, document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def raw(old: str, new: bytes) -> bytes:
    body = json.dumps(V1).encode()
    assert old.encode() in body
    return body.replace(old.encode(), new)


KEYS = {
    "no key": Bad(400, KEY, headers={KEY: None}),
    "an empty key": Bad(400, KEY, headers={KEY: ""}),
    "a short key": Bad(400, KEY, headers={KEY: "7 chars"}),
    "a key of 256": Bad(400, KEY, headers={KEY: CANARY + "k" * 244}),
    "a key of 10 kB": Bad(400, KEY, headers={KEY: CANARY + "k" * 10_000}),
    "a key beyond ASCII": Bad(400, KEY, headers={KEY: f"{CANARY}-ü-12345"}),
    "two keys": Bad(400, KEY, headers={KEY: [f"{CANARY}-1", f"{CANARY}-2"]}),
    "one key twice": Bad(400, KEY, headers={KEY: [f"{CANARY}-1", f"{CANARY}-1"]}),
}
TYPES = {
    "no content type": Bad(415, "Content-Type", headers={"Content-Type": None}),
    "text": Bad(415, "Content-Type", headers={"Content-Type": "text/plain"}),
    "a form": Bad(415, "Content-Type", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "almost JSON": Bad(415, "Content-Type", headers={"Content-Type": f"application/json-{CANARY}"}),
    "two content types": Bad(
        400, "Content-Type", headers={"Content-Type": ["application/json", "text/plain"]}
    ),
}
BODIES = {
    "empty": Bad(400, "body", b""),
    "not JSON": Bad(400, "$", f"Dear {CANARY}".encode()),
    "cut short": Bad(400, "$", json.dumps(V1).encode()[:-1]),
    "two documents": Bad(400, "$", json.dumps(V1).encode() * 2),
    "a list": Bad(400, "$", b"[]"),
    "null": Bad(400, "$", b"null"),
    "a text": Bad(400, "$", json.dumps(CANARY).encode()),
    "NaN": Bad(400, "$", raw('"payload": {}', b'"payload": {"a": NaN}')),
    "Infinity": Bad(400, "$", raw('"payload": {}', b'"payload": {"a": -Infinity}')),
    "a number out of range": Bad(400, "$", raw('"payload": {}', b'"payload": {"a": 1e999}')),
    "a number of too many digits": Bad(
        400, "$", raw('"payload": {}', b'"payload": {"a": ' + b"9" * 5_000 + b"}")
    ),
    "a key twice": Bad(
        400, "$", raw('"payload": {}', f'"payload": {{"{CANARY}": 1, "{CANARY}": 2}}'.encode())
    ),
    "the source twice": Bad(400, "$", raw('"payload": {}', b'"payload": {}, "source": "hospital-b"')),
    "invalid UTF-8": Bad(400, "$", raw("Sam", f"{CANARY}".encode() + b"\xff")),
    "UTF-16": Bad(400, "$", json.dumps(V1).encode("utf-16")),
    "a byte order mark": Bad(400, "$", b"\xef\xbb\xbf" + json.dumps(V1).encode()),
    "NUL in a name": Bad(400, "$", patient(first_name=f"{CANARY}\0")),
    "NUL in the payload": Bad(400, "$", v1(payload={"a": f"{CANARY}\0"})),
    "half a surrogate pair": Bad(400, "$", v1(payload={"a": CANARY + "\ud800"})),
    "65 levels": Bad(400, "$", raw("{}", b"[" * 65 + b"]" * 65)),
    "20,000 levels": Bad(400, "$", raw("{}", b'{"a":' * 20_000 + b"1" + b"}" * 20_000)),
    "20,000 levels that never close": Bad(400, "$", b"[" * 20_000),
    "one byte over 4 MiB": Bad(413, "body", b" " * (4 * MIB + 1)),
}
FIELDS = {
    "an unknown field": Bad(400, "$", v1(**{CANARY: 1})),
    "an unknown field of the patient": Bad(400, "patient", patient(**{CANARY: 1})),
    "a v2 name in v1": Bad(400, "patient.first_name", v1(patient=V2["patient"])),
    "no source": Bad(400, "source", json.dumps(without("source", V1)).encode()),
    "no patient": Bad(400, "patient", json.dumps(without("patient", V1)).encode()),
    "no payload": Bad(400, "payload", json.dumps(without("payload", V1)).encode()),
    "no name": Bad(400, "patient.last_name", v1(patient=without("last_name", PATIENT))),
    "no birth date": Bad(400, "patient.dob", v1(patient=without("dob", PATIENT))),
    "a payload that is a text": Bad(400, "payload", v1(payload=CANARY)),
    "a payload that is a list": Bad(400, "payload", v1(payload=[CANARY])),
    "a source that is a number": Bad(400, "source", v1(source=4711)),
    "a name that is a list": Bad(400, "patient.first_name", patient(first_name=[CANARY])),
    "a name that is null": Bad(400, "patient.first_name", patient(first_name=None)),
    "an empty name": Bad(400, "patient.last_name", patient(last_name="")),
    "a blank name": Bad(400, "patient.last_name", patient(last_name=" \u00a0 ")),
    "a name with |": Bad(400, "patient.first_name", patient(first_name=f"{CANARY}|family_name=Lee")),
    "a name with =": Bad(400, "patient.first_name", patient(first_name=f"{CANARY}=")),
    "a name with a line break": Bad(400, "patient.first_name", patient(first_name=f"{CANARY}\n")),
    "a name of 201": Bad(400, "patient.first_name", patient(first_name=CANARY.ljust(201, "x"))),
    "30 February": Bad(400, "patient.dob", patient(dob="1990-02-30")),
    "a birth date with a time": Bad(400, "patient.dob", patient(dob="1990-01-01T00:00:00Z")),
    "a birth date that is words": Bad(400, "patient.dob", patient(dob=CANARY)),
    "a birth date after tomorrow": Bad(400, "patient.dob", patient(dob=FUTURE)),
    "a birth date of Methuselah": Bad(400, "patient.dob", patient(dob="0990-01-01")),
    "an ssn with letters": Bad(400, "patient.ssn", patient(ssn=CANARY)),
    "an ssn that is a number": Bad(400, "patient.ssn", patient(ssn=123456789)),
    "an unknown kind": Bad(400, "record_type", v1(record_type=CANARY)),
    "a source that leaves its folder": Bad(400, "source", v1(source=f"../{CANARY}")),
    "a source with a line break": Bad(400, "source", v1(source="hospital-a\n")),
    "a source nobody owns": Bad(403, "source", v1(source=CANARY)),
    "an unknown hint": Bad(
        400, "schema_hint", json.dumps(V2 | {"schema_hint": CANARY}).encode(), "/v2/ingest"
    ),
    "a hint that is not agreed": Bad(
        403, "schema_hint", json.dumps(V2 | {"schema_hint": "partnerA.v1"}).encode(), "/v2/ingest"
    ),
    "a hint in v1": Bad(400, "$", v1(schema_hint="partnerA.v1")),
    "v1's body to v2": Bad(400, "record_kind", path="/v2/ingest"),
}
