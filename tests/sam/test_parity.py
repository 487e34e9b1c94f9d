"""The same requests to our runner and to `sam local start-api` get the same status, headers and body.

DIFFERENT lists the differences with their reasons; a listed difference that no longer exists fails, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from infra.system.local_tokens import sign_token
from tests.e2e.bad_requests import V1, V2
from tests.e2e.running_system import Answer, RunningSystem, send
from tests.sam.own_services import Services

V1_BODY, V2_BODY = json.dumps(V1).encode(), json.dumps(V2).encode()
PERSON = b'{"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01", "ssn": null}'
# Each server sets these itself; the request's id is set by API Gateway and the runner, but not by start-api.
OF_THE_SERVER = {"server", "date", "connection", "x-amzn-requestid"}
GOOD = {"Authorization": "Bearer dev", "Content-Type": "application/json", "X-Correlation-Id": "parity-0001"}


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    body: bytes | None = None
    # Replace the good headers of the same name; None omits one.
    headers: dict[str, str | None] = field(default_factory=dict)


def ingest(body: bytes = V1_BODY, path: str = "/v1/ingest", **headers: str | None) -> Sent:
    return Sent("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


REQUESTS = {
    "health": Sent("GET", "/healthz"),
    "health with a query": Sent("GET", "/healthz?a=1&a=2"),
    "health without a correlation id": Sent("GET", "/healthz", headers={"X-Correlation-Id": "parity-0002"}),
    "a v1 record": ingest(),
    "a v2 record": ingest(V2_BODY, "/v2/ingest"),
    "an unusual content type parameter": ingest(Content_Type="application/json; charset=utf-8"),
    "an unknown field": ingest(json.dumps(V1 | {"extra": 1}).encode()),
    "an empty body": ingest(b""),
    "no JSON": ingest(b"{"),
    "a list": ingest(b"[]"),
    "text that is not UTF-8": ingest(b'{"source": "\xff"}'),
    "a doubled key": ingest(b'{"source": "a", "source": "b"}'),
    "a body with spaces": ingest(b"  " + V1_BODY + b"\n"),
    "letters beyond ASCII": ingest(
        json.dumps(V1 | {"payload": {"note": "Żółć"}}, ensure_ascii=False).encode()
    ),
    "another content type": ingest(Content_Type="text/plain"),
    "no content type": ingest(Content_Type=None),
    "no token": ingest(Authorization=None),
    "a wrong scheme": ingest(Authorization="Basic ZGV2"),
    "a token that is none": ingest(Authorization="Bearer nonsense"),
    "no idempotency key": ingest(Idempotency_Key=None),
    "a short idempotency key": ingest(Idempotency_Key="short"),
    "an unknown source": ingest(json.dumps(V1 | {"source": "nobody"}).encode()),
    "v2 to v1": ingest(V2_BODY),
    "v1 to v2": ingest(V1_BODY, "/v2/ingest"),
    "a header in lower case": ingest(content_type="application/json", Content_Type=None),
    "a person": Sent("POST", "/tokenize", PERSON),
    "a person without a name": Sent("POST", "/tokenize", b"{}"),
    "a person without a token": Sent("POST", "/tokenize", PERSON, {"Authorization": None}),
    "an unknown route": Sent("GET", "/nowhere"),
    "an unknown method": Sent("DELETE", "/healthz"),
}
# The differences, and the reasons why they stay.
GATEWAY_ANSWER = (
    "start-api knows no GatewayResponses: Flask's own answer, where AWS and the runner give the template's"
)
DIFFERENT: dict[str, str] = {
    "an unknown route": GATEWAY_ANSWER,
    "an unknown method": GATEWAY_ANSWER,
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Yield the local runner on its own services."""
    system = RunningSystem(tmp_path_factory.mktemp("runner"), sources=False)
    yield system
    system.stop()


@pytest.mark.parametrize("name", REQUESTS)
def test_the_runner_answers_as_start_api_does(name: str, system: RunningSystem, start_api: str) -> None:
    ours = shown(name, "runner", system.addresses.ingest)
    theirs = shown(name, "sam", start_api)
    if name in DIFFERENT:
        assert ours != theirs, f"{name} is the same now: take it off the list"
    else:
        assert ours == theirs


def test_a_signed_token_is_read_alike(system: RunningSystem, services: Services, start_api: str) -> None:
    # partnerB's token for a record of partnerA, signed by each side's own issuer.
    ours, theirs = (
        send_one(
            ingest(Authorization=f"Bearer {sign_token(secret, 'partnerB')}"), "a-token-of-partner-b", url
        )
        for secret, url in (
            (system.addresses.jwt_secret, system.addresses.ingest),
            (services.parameters["JwtSecret"], start_api),
        )
    )
    assert (ours.status, ours.json) == (theirs.status, theirs.json) and ours.status == 403


def shown(name: str, who: str, url: str) -> tuple[int, dict[str, str], object]:
    """Return the answer without the record's id, which differs because the idempotency key determines it."""
    answer = send_one(REQUESTS[name], f"{who}-{name.replace(' ', '-')}", url)
    headers = {key.lower(): value for key, value in answer.headers.items()}
    kept = {key: value for key, value in headers.items() if key not in OF_THE_SERVER}
    try:
        body = answer.json
    except ValueError:
        return answer.status, kept, answer.body
    return answer.status, kept, {key: value for key, value in body.items() if key != "record_id"}


def send_one(request: Sent, key: str, url: str) -> Answer:
    # One key per side: a second sender of the same key would get the answer of the first.
    headers = {**GOOD, "Idempotency-Key": key, **request.headers}
    request = replace(request, headers=headers)
    pairs = [(name, value) for name, value in request.headers.items() if value is not None]
    return send(url, request.method, request.path, pairs, request.body)
