"""Twenty requests that an exchange must refuse, each with the status it must get."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from infra.cli.demo.client import REQUEST_TIMEOUT_SECONDS, Answer
from infra.system.local_tokens import sign_token

GOOD_BODY: Mapping[str, Any] = {
    "source": "hospital-a",
    "record_type": "encounter",
    "patient": {"first_name": "Bad", "last_name": "Request", "dob": "1990-01-01"},
    "payload": {},
}
# {"alg":"none","typ":"JWT"} and no signature
_UNSIGNED = (
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJwYXJ0bmVyX2lkIjoicGFydG5lckEiLCJzY29wZSI6ImluZ2VzdDp3cml0ZSJ9."
)


@dataclass(frozen=True)
class BadRequest:
    """A request that differs from a good one in one thing, named by `kind`."""

    kind: str
    status: int
    body: bytes = field(repr=False, default=b"")
    route: str = "/v1/ingest"
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)


def list_bad_requests(jwt_secret: str) -> list[BadRequest]:
    """Return all twenty, for `POST`; all but those about tokens carry a good token of partnerA."""
    return [*_about_the_caller(jwt_secret), *_about_the_key(), *_about_bytes(), *_about_the_record()]


def _about_the_caller(jwt_secret: str) -> Iterator[BadRequest]:
    body = _encode(GOOD_BODY)
    hour = timedelta(hours=1)
    tokens = {
        "expired token": (401, sign_token(jwt_secret, "partnerA", expires_in=-hour)),
        "token for another audience": (401, sign_token(jwt_secret, "partnerA", claims={"aud": "another"})),
        "token with alg=none": (401, _UNSIGNED),
        "token without the scope": (403, sign_token(jwt_secret, "partnerA", scopes=("tokenize",))),
        "another partner's source": (403, sign_token(jwt_secret, "partnerB")),
    }
    yield BadRequest("no token", 401, body, headers={"Authorization": ""})
    for kind, (status, token) in tokens.items():
        yield BadRequest(kind, status, body, headers={"Authorization": f"Bearer {token}"})


def _about_the_key() -> Iterator[BadRequest]:
    body = _encode(GOOD_BODY)
    yield BadRequest("no Idempotency-Key", 400, body, headers={"Idempotency-Key": ""})
    yield BadRequest("Idempotency-Key of 10 kB", 400, body, headers={"Idempotency-Key": "k" * 10_000})


def _about_bytes() -> Iterator[BadRequest]:
    yield BadRequest("body declared as text", 415, _encode(GOOD_BODY), headers={"Content-Type": "text/plain"})
    yield BadRequest("body that is not JSON", 400, b"first_name=Bad&last_name=Request")
    yield BadRequest("body with NaN", 400, _encode({**GOOD_BODY, "payload": {"value": float("nan")}}))
    yield BadRequest("body with a key twice", 400, b'{"source":"partnerA",' + _encode(GOOD_BODY)[1:])
    yield BadRequest("body that is not UTF-8", 400, _encode(GOOD_BODY).replace(b"Bad", b"B\xe4d"))
    yield BadRequest("body 20,000 levels deep", 400, b"[" * 20_000 + b"]" * 20_000)
    large = _encode({**GOOD_BODY, "payload": {"text": "x" * (4 * 1024 * 1024)}})
    yield BadRequest("body over 4 MiB", 413, large)


def _about_the_record() -> Iterator[BadRequest]:
    next_week = datetime.now(UTC).date() + timedelta(days=7)
    changes: dict[str, tuple[tuple[str, ...], object]] = {
        "unknown field": (("patient", "nickname"), "B"),
        "born on 1990-02-30": (("patient", "dob"), "1990-02-30"),
        "born next week": (("patient", "dob"), next_week.isoformat()),
        "name with |": (("patient", "last_name"), "a|family_name=b"),
        "source with ../": (("source",), "../partnerB"),
    }
    for kind, (path, value) in changes.items():
        yield BadRequest(kind, 400, _encode(_change(path, value)))


async def post_bad(base_url: str, bad_requests: list[BadRequest], token: str) -> list[Answer]:
    """Send each once, by a client without retries."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
    answers = []
    async with aiohttp.ClientSession(base_url, timeout=timeout) as session:
        for index, bad in enumerate(bad_requests):
            usual = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"bad-request-{index}",
            }
            # A header with an empty value is not sent.
            headers = {name: value for name, value in {**usual, **bad.headers}.items() if value}
            try:
                async with session.post(bad.route, data=bad.body, headers=headers) as response:
                    answers.append(Answer(response.status, await response.read(), 0.0))
            except (aiohttp.ClientError, TimeoutError):
                answers.append(Answer(0, b"", 0.0))
    return answers


def _change(path: tuple[str, ...], value: object) -> dict[str, Any]:
    body = deepcopy(dict(GOOD_BODY))
    node = body
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return body


def _encode(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode()
