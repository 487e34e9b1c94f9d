"""Tokens of identifiers that partners assign: encounters, claims, members, accessions."""

from __future__ import annotations

import hashlib
import hmac


def identifier_token(secret: bytes, *, kind: str, partner_id: str, value: str) -> str:
    """Return 64 lower-case hex digits. Fields are length-prefixed, so no two triples share a message."""
    message = b"".join(
        len(part).to_bytes(4, "big") + part for part in map(str.encode, (kind, partner_id, value))
    )
    return hmac.digest(secret, message, hashlib.sha256).hex()
