"""JSON Web Tokens as the local issuer signs them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import jwt

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
    """A token for one partner; `claims` replace the usual ones, for whoever wants to see it refused."""
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
    """The secret of this data folder, readable by its owner alone."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(token_urlsafe(48))
    return path.read_text()
