"""Tokens of identifiers that partners assign: encounters, claims, members, accessions."""

from __future__ import annotations

import hashlib
import hmac


def identifier_token(secret: bytes, *, kind: str, partner_id: str, value: str) -> str:
    """Return an identifier's token, 64 lower-case hex digits.

    The fields are length-prefixed, so that no two (kind, partner, value) share a message.
    """
    message = b"".join(
        len(part).to_bytes(4, "big") + part for part in map(str.encode, (kind, partner_id, value))
    )
    return hmac.digest(secret, message, hashlib.sha256).hex()
