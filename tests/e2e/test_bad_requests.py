"""Every mistake of a client, over real HTTP, gets a clear 4xx that names a field, shows no value and stores nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from exchange.platform.contracts import contract
from infra.system.local_tokens import AUDIENCE, ISSUER, sign_token
from tests.e2e.bad_requests import BODIES, CANARY, FIELDS, KEYS, MIB, TYPES, V1, V2, Bad, v1
from tests.e2e.running_system import Answer, RunningSystem, send, wait_until


@pytest.fixture
def nothing_stored(system: RunningSystem) -> Iterator[None]:
    before = system.counts()
    yield
    assert system.counts() == before


def assert_refused(answer: Answer, status: int, field: str | None) -> None:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    contract("api/schemas/error").validate(answer.json)
    assert answer.json.get("field") == field, answer
    assert CANARY not in answer.everything
    assert "Traceback" not in answer.everything


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("cases", [KEYS, TYPES, BODIES, FIELDS], ids=["keys", "types", "bodies", "fields"])
def test_a_bad_request_is_refused_by_its_field(system: RunningSystem, cases: dict[str, Bad]) -> None:
    for name, bad in cases.items():
        answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
        try:
            assert_refused(answer, bad.status, bad.field)
        except AssertionError as error:
            raise AssertionError(f"{name}: {answer}") from error


@pytest.mark.usefixtures("nothing_stored")
def test_a_bad_token_is_refused_whoever_it_was_made_for(system: RunningSystem) -> None:
    secret = system.addresses.jwt_secret
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": 4102444800,
        "partner_id": "partnerA",
        "scope": "ingest:write",
    }
    tokens = {
        "no token": (401, None),
        "no scheme": (401, "dev"),
        "another scheme": (401, f"Basic {CANARY}"),
        "an empty token": (401, "Bearer "),
        "a token that is none": (401, f"Bearer {CANARY}"),
        "the developer, misspelt": (401, "Bearer Dev"),
        "expired": (401, f"Bearer {sign_token(secret, 'partnerA', expires_in=timedelta(hours=-1))}"),
        "another audience": (401, f"Bearer {sign_token(secret, 'partnerA', claims={'aud': CANARY})}"),
        "another issuer": (401, f"Bearer {sign_token(secret, 'partnerA', claims={'iss': CANARY})}"),
        "another secret": (401, f"Bearer {sign_token('x' * 40, 'partnerA')}"),
        "alg none": (401, f"Bearer {jwt.encode(claims, '', algorithm='none')}"),
        "no partner": (401, f"Bearer {sign_token(secret, '')}"),
        "another scope": (403, f"Bearer {sign_token(secret, 'partnerA', scopes=('tokenize',))}"),
        "20,000 levels": (401, f"Bearer {'W1tb' * 5_000}.e30.e30"),
    }
    for name, (status, authorization) in tokens.items():
        bad = Bad(status, "Authorization", headers={"Authorization": authorization})
        answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
        try:
            assert_refused(answer, status, "Authorization")
        except AssertionError as error:
            raise AssertionError(f"{name}: {answer}") from error


@pytest.mark.usefixtures("nothing_stored")
def test_a_partner_cannot_send_as_another(system: RunningSystem) -> None:
    token = sign_token(system.addresses.jwt_secret, "partnerB")
    bad = Bad(403, "source", headers={"Authorization": f"Bearer {token}"})
    answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
    assert_refused(answer, 403, "source")
    # the same message as for an unknown source, so that a caller does not learn which sources others own
    unknown = send(
        system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), v1(source="nobody-owns-this")
    )
    assert unknown.json == answer.json


@pytest.mark.usefixtures("nothing_stored")
def test_two_authorizations_are_refused_before_either_is_read(system: RunningSystem) -> None:
    bad = Bad(400, "Authorization", headers={"Authorization": ["Bearer dev", f"Bearer {CANARY}"]})
    answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
    assert_refused(answer, 400, "Authorization")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("size_bytes", [5 * MIB, 10 * MIB + 1, 12 * MIB])
def test_a_body_that_no_function_could_take_is_refused_at_the_gateway(
    system: RunningSystem, size_bytes: int
) -> None:
    bad = Bad(413, "body", b" " * size_bytes)
    answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
    assert_refused(answer, 413, "body")


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/ingest"),
        ("PUT", "/v1/ingest"),
        ("DELETE", "/v2/ingest"),
        ("POST", "/healthz"),
        ("POST", "/v3/ingest"),
        ("POST", "/v1/ingest/extra"),
        ("POST", "/"),
        ("GET", f"/{CANARY}"),
        ("POST", "/v1/../v2/ingest"),
        ("POST", "//v1/ingest"),
        ("GET", "/%00"),
        ("GET", "/%ff%fe"),
    ],
)
def test_a_wrong_method_or_path_reaches_nobody(system: RunningSystem, method: str, path: str) -> None:
    answer = send(
        system.addresses.ingest, method, path, Bad(0, "").headers_to_send(), json.dumps(V1).encode()
    )
    assert_refused(answer, 404, "path")
    assert CANARY not in answer.everything


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW /v1/ingest HTTP/1.1\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_not_http_is_told_so_or_hung_up_on(system: RunningSystem, request_bytes: bytes) -> None:
    parts = urlsplit(system.addresses.ingest)
    with closing(socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)) as client:
        client.sendall(request_bytes)
        first_line = client.recv(65536).partition(b"\r\n")[0]
    assert first_line == b"" or first_line.split()[1].startswith(b"4")


def test_every_refusal_is_in_the_audit_log_without_a_value(system: RunningSystem) -> None:
    send(system.addresses.ingest, "POST", "/v1/ingest", Bad(0, "").headers_to_send(), b"")
    rows = system.rows("SELECT a::text FROM audit_log AS a WHERE status >= 400")
    assert rows
    assert not [row for (row,) in rows if CANARY in row]


@pytest.mark.parametrize(
    "correlation_id", ["short", "Sam Lee, born 1990", "x" * 129, f"{CANARY} in a header"]
)
def test_a_correlation_id_that_could_carry_a_name_is_replaced(
    system: RunningSystem, correlation_id: str
) -> None:
    headers = [*Bad(0, "").headers_to_send(), ("X-Correlation-Id", correlation_id)]
    answer = send(system.addresses.ingest, "POST", "/v1/ingest", headers, b"")
    assert answer.status == 400
    assert correlation_id not in answer.everything
    assert len(answer.headers["x-correlation-id"]) == 36


@pytest.mark.parametrize(("path", "document"), [("/v1/ingest", V1), ("/v2/ingest", V2)])
def test_the_request_that_all_these_are_made_from_is_a_good_one(
    system: RunningSystem, path: str, document: dict[str, Any]
) -> None:
    body = json.dumps(document).encode()
    answer = send(system.addresses.ingest, "POST", path, Bad(0, "").headers_to_send(), body)
    assert answer.status == 202
    # its empty payload is validated behind the queue
    wait_until(lambda: system.settled([answer.json["record_id"]]), "the record is settled")
