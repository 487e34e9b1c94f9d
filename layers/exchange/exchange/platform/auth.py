"""Authentication: from a bearer token to a Caller.

`Bearer dev` is accepted only where ENV=local. Any other token is a JWT whose issuer, audience and expiry are checked:
RS256/ES256 against the issuer's JWKS when a JWKS URL is set, HS256 with the shared secret otherwise. Never both, so a
public key cannot be used as an HMAC secret.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from json import JSONDecodeError
from typing import Any

import jwt

from exchange.errors import DependencyUnavailable, Forbidden, Misconfigured, Unauthenticated
from exchange.platform.secrets import read_secret
from exchange.platform.settings import Settings

LEEWAY_SECONDS = 30
REMEMBERED_SECONDS = 60
REMEMBERED_TOKENS = 1_000
SHORTEST_SECRET_BYTES = 32
# The registry's spelling of partners: the name goes into the audit log before it is looked up.
_PARTNER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,62}")


@dataclass(frozen=True)
class Caller:
    """An authenticated caller; `partner_id` is None for the local developer, who may act as anyone."""

    partner_id: str | None
    scopes: frozenset[str]

    def require_scope(self, scope: str) -> None:
        """Raise Forbidden unless the token grants `scope`."""
        if scope not in self.scopes:
            raise Forbidden(f"the token lacks the scope {scope}", field="Authorization")


DEVELOPER = Caller(partner_id=None, scopes=frozenset({"ingest:write", "tokenize"}))


def authenticate(authorization: str | None, settings: Settings) -> Caller:
    """Return the caller that an Authorization header names; raises Unauthenticated."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("a bearer token is required", field="Authorization")
    if token == "dev" and settings.is_local:  # noqa: S105
        return DEVELOPER
    remembered = _remembered(settings)
    return remembered.caller_of(token) or remembered.keep(token, *_verify(token, settings))


class RememberedCallers:
    """Callers by their verified tokens, kept for a minute: one token comes with thousands of requests.

    A minute, and never past the token's own end, is how long a withdrawn key is still accepted.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._callers: dict[str, tuple[Caller, float]] = {}

    def caller_of(self, token: str) -> Caller | None:
        caller, until = self._callers.get(token, (None, 0.0))
        return caller if self._now() < until else None

    def keep(self, token: str, caller: Caller, expires_at: float) -> Caller:
        """Remember a caller by its token, and return it."""
        if len(self._callers) >= REMEMBERED_TOKENS:
            self._callers.clear()
        self._callers[token] = caller, min(self._now() + REMEMBERED_SECONDS, expires_at + LEEWAY_SECONDS)
        return caller


@cache
def _remembered(settings: Settings) -> RememberedCallers:
    return RememberedCallers()


def _verify(token: str, settings: Settings) -> tuple[Caller, float]:
    """Verify a token; return its caller, and its end in seconds of the epoch."""
    claims = _verified_claims(token, settings)
    partner_id = claims.get("partner_id")
    scope = claims.get("scope")
    if not isinstance(partner_id, str) or not _PARTNER_ID.fullmatch(partner_id) or not isinstance(scope, str):
        raise Unauthenticated("the token names no partner or no scope", field="Authorization")
    return Caller(partner_id=partner_id, scopes=frozenset(scope.split())), int(claims["exp"])


def _verified_claims(token: str, settings: Settings) -> dict[str, Any]:
    try:
        key, algorithms = _verification_key(token, settings)
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=settings.require("jwt_issuer"),
            audience=settings.require("jwt_audience"),
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
    except (jwt.PyJWKClientConnectionError, jwt.PyJWKSetError, JSONDecodeError) as error:
        # The latter two come only from a bad answer of the issuer: a caller with a good token is not to blame for it.
        raise DependencyUnavailable("the issuer's keys cannot be read") from error
    except jwt.ExpiredSignatureError as error:
        raise Unauthenticated("the token is expired", field="Authorization") from error
    except (jwt.InvalidIssuerError, jwt.InvalidAudienceError) as error:
        raise Unauthenticated("the token is for another issuer or audience", field="Authorization") from error
    except (jwt.PyJWTError, ValueError) as error:
        raise Unauthenticated("the token cannot be verified", field="Authorization") from error


def _verification_key(token: str, settings: Settings) -> tuple[jwt.PyJWK, list[str]]:
    if settings.jwt_jwks_url:
        return _jwks(settings.jwt_jwks_url).get_signing_key_from_jwt(token), ["RS256", "ES256"]
    return _shared_key(settings), ["HS256"]


@cache
def _jwks(url: str) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(url, lifespan=300, timeout=3)


@cache
def _shared_key(settings: Settings) -> jwt.PyJWK:
    """Return the secret as a key, prepared once instead of for every token."""
    if settings.jwt_secret_arn and not settings.is_local:
        secret = read_secret(settings.jwt_secret_arn).encode()
    else:
        secret = settings.require("jwt_secret").encode()
    if len(secret) < SHORTEST_SECRET_BYTES:
        raise Misconfigured(f"the JWT secret is shorter than {SHORTEST_SECRET_BYTES} bytes")
    return jwt.PyJWK({"kty": "oct", "alg": "HS256", "k": base64.urlsafe_b64encode(secret).decode()})
