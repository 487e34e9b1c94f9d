"""Token profile "v1": one token for each person, byte for byte that of the first system. ADR 0004.

Names are trimmed, their inner whitespace is collapsed, and they are lower-cased. Of an ssn only the digits count; an
empty one is missing. The contract refuses '|' and '=' in a name: otherwise the names `a|family_name=b` and `c` would
have the token of `a` and `b|family_name=c`.
"""

from __future__ import annotations

import hashlib
import hmac

PROFILE = "v1"
RULE = "v1"


def person_token(
    secret: bytes, *, given_name: str, family_name: str, birth_date: str, ssn: str | None
) -> str:
    """Return a person's token, 64 lower-case hex digits; `birth_date` is YYYY-MM-DD."""
    message = (
        f"given_name={_fold(given_name)}|family_name={_fold(family_name)}|dob={birth_date}|ssn={_digits(ssn)}"
    )
    return hmac.digest(secret, message.encode(), hashlib.sha256).hex()


def _fold(name: str) -> str:
    return " ".join(name.split()).lower()


def _digits(ssn: str | None) -> str:
    return "".join(character for character in ssn or "" if character in "0123456789")
