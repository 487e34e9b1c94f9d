"""Tokens signed with the issuer's private key are verified by its published keys over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from exchange.errors import DependencyUnavailable, Unauthenticated
from exchange.platform.auth import authenticate
from exchange.platform.settings import Settings

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = json.dumps(
    {
        "keys": [
            RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
            | {"kid": "rsa-1", "use": "sig", "alg": "RS256"},
            ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)
            | {"kid": "ec-1", "use": "sig", "alg": "ES256"},
        ]
    }
).encode()


class Issuer:
    """Serves one document at /keys; `status` and `document` may change."""

    def __init__(self) -> None:
        self.status, self.document, self.asked = 200, KEYS, 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(issuer.document)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def settings(self) -> Settings:
        return Settings(
            env="prod",
            jwt_issuer="https://issuer.test/",
            jwt_audience="exchange",
            jwt_jwks_url=f"http://127.0.0.1:{self._server.server_port}/keys",
        )

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    opened = Issuer()
    yield opened
    opened.close()


def token(key: Any, algorithm: str, kid: str | None, **changes: object) -> str:
    claims = {
        "iss": "https://issuer.test/",
        "aud": "exchange",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "partner_id": "partnerA",
        "scope": "ingest:write",
        **changes,
    }
    return f"Bearer {jwt.encode(claims, key, algorithm, headers={'kid': kid} if kid else None)}"


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa-1"), (EC_KEY, "ES256", "ec-1")]
)
def test_a_token_of_a_published_key_is_a_caller(issuer: Issuer, key: Any, algorithm: str, kid: str) -> None:
    assert authenticate(token(key, algorithm, kid), issuer.settings).partner_id == "partnerA"


def test_the_keys_are_asked_for_once(issuer: Issuer) -> None:
    for _ in range(5):
        authenticate(token(RSA_KEY, "RS256", "rsa-1"), issuer.settings)
    assert issuer.asked == 1


def forged_with_the_public_key(_: Issuer) -> str:
    """Forge a token with the public RSA key as HMAC secret, a classic attack; PyJWT refuses to sign it, so by hand."""
    import base64
    import hashlib
    import hmac

    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa-1","typ":"JWT"}').rstrip(b"=")
    claims = token(RSA_KEY, "RS256", "rsa-1").removeprefix("Bearer ").split(".")[1].encode()
    signature = hmac.digest(public, head + b"." + claims, hashlib.sha256)
    return f"Bearer {b'.'.join([head, claims, base64.urlsafe_b64encode(signature).rstrip(b'=')]).decode()}"


REFUSED = {
    "HS256 with the public key": forged_with_the_public_key,
    "HS256 with some secret": lambda _: token("x" * 40, "HS256", "rsa-1"),
    "alg none": lambda _: token("", "none", "rsa-1"),
    "RS512": lambda _: token(RSA_KEY, "RS512", "rsa-1"),
    "an unknown kid": lambda _: token(RSA_KEY, "RS256", "rsa-2"),
    "no kid": lambda _: token(RSA_KEY, "RS256", None),
    "a stranger's key under a known kid": lambda _: token(STRANGER, "RS256", "rsa-1"),
    "the other key's kid": lambda _: token(RSA_KEY, "RS256", "ec-1"),
    "expired": lambda _: token(RSA_KEY, "RS256", "rsa-1", exp=datetime(2020, 1, 1, tzinfo=UTC)),
    "another audience": lambda _: token(RSA_KEY, "RS256", "rsa-1", aud="another"),
    "another issuer": lambda _: token(RSA_KEY, "RS256", "rsa-1", iss="https://elsewhere.test/"),
    "the developer": lambda _: "Bearer dev",
}


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED)
def test_a_token_is_refused_with(issuer: Issuer, forge: Any) -> None:
    with pytest.raises(Unauthenticated):
        authenticate(forge(issuer), issuer.settings)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("status", "document"),
    [(500, KEYS), (404, b""), (200, b"<html>We are moving</html>"), (200, b'{"keys": []}')],
    ids=["fails", "is gone", "says no JSON", "has no key"],
)
def test_an_issuer_that_cannot_be_asked_is_an_outage_and_not_the_caller_s_fault(
    issuer: Issuer, status: int, document: bytes
) -> None:
    issuer.status, issuer.document = status, document
    with pytest.raises(DependencyUnavailable):
        authenticate(token(RSA_KEY, "RS256", "rsa-1"), issuer.settings)
    issuer.status, issuer.document = 200, KEYS
    assert authenticate(token(RSA_KEY, "RS256", "rsa-1"), issuer.settings).partner_id == "partnerA"


def test_an_issuer_that_does_not_answer_is_an_outage(issuer: Issuer) -> None:
    settings = issuer.settings
    issuer.close()
    with pytest.raises(DependencyUnavailable):
        authenticate(token(RSA_KEY, "RS256", "rsa-1"), settings)


def test_keys_already_read_outlive_an_outage_of_the_issuer(issuer: Issuer) -> None:
    authenticate(token(RSA_KEY, "RS256", "rsa-1"), issuer.settings)
    issuer.status = 500
    assert authenticate(token(EC_KEY, "ES256", "ec-1"), issuer.settings).partner_id == "partnerA"
