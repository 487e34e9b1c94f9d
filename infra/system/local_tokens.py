"""JSON Web Tokens of the local issuer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import jwt

from infra.embedded.files import replace_file

ISSUER = "https://identity.local/"
AUDIENCE = "exchange"
SCOPES = ("ingest:write", "tokenize")


def sign_token(
    secret: str,
    partner_id: str,
    *,
    scopes: tuple[str, ...] = SCOPES,
    expires_in: timedelta = timedelta(hours=1),
    claims: Mapping[str, Any] | None = None,
) -> str:
    """Return a token for one partner; `claims` replace the usual ones, to make a token that is refused."""
    now = datetime.now(UTC)
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": partner_id,
        "partner_id": partner_id,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + expires_in,
    }
    return jwt.encode({**usual, **(claims or {})}, secret, algorithm="HS256")


def load_or_create_secret(path: Path) -> str:
    """Return the secret in this file, or make one, readable by its owner alone."""
    if not path.exists():
        replace_file(path, token_urlsafe(48))
    return path.read_text()
