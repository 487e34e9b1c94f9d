"""Token profile "v1": one token for each person, byte for byte that of the first system. ADR 0004.

Names trimmed, inner whitespace collapsed, lower-cased; ssn digits only, empty is missing. '|' and '=' in a name
are refused by the contract: with them `a|family_name=b` + `c` would be `a` + `b|family_name=c`.
"""

from __future__ import annotations

import hashlib
import hmac

PROFILE = "v1"
RULE = "v1"


def person_token(
    secret: bytes, *, given_name: str, family_name: str, birth_date: str, ssn: str | None
) -> str:
    """Return 64 lower-case hex digits; `birth_date` is YYYY-MM-DD."""
    message = (
        f"given_name={_fold(given_name)}|family_name={_fold(family_name)}|dob={birth_date}|ssn={_digits(ssn)}"
    )
    return hmac.digest(secret, message.encode(), hashlib.sha256).hex()


def _fold(name: str) -> str:
    return " ".join(name.split()).lower()


def _digits(ssn: str | None) -> str:
    return "".join(character for character in ssn or "" if character in "0123456789")
