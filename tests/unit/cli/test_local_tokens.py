from __future__ import annotations

from datetime import timedelta

import jwt
import pytest

from infra.cli.local_tokens import AUDIENCE, ISSUER, sign_token
from infra.cli.moments import read_duration

SECRET = "s" * 48


def test_a_token_names_its_partner_and_scopes_and_ends() -> None:
    token = sign_token(SECRET, "partnerB", scopes=("ingest:write",), expires_in=timedelta(minutes=5))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
    assert (claims["partner_id"], claims["scope"]) == ("partnerB", "ingest:write")
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("-1h", timedelta(hours=-1)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_duration_is_a_number_and_its_unit(text: str, duration: timedelta) -> None:
    assert read_duration(text) == duration


@pytest.mark.parametrize("text", ["1", "h", "1w", "1.5h", "", "99999999d", "-36526d", "9" * 5_000 + "d"])
def test_nothing_else_is_a_duration(text: str) -> None:
    assert read_duration(text) is None
