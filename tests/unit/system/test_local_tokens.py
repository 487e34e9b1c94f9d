from __future__ import annotations

from datetime import timedelta

import jwt

from infra.system.local_tokens import AUDIENCE, ISSUER, sign_token

SECRET = "s" * 48


def test_a_token_names_its_partner_and_scopes_and_ends() -> None:
    token = sign_token(SECRET, "partnerB", scopes=("ingest:write",), expires_in=timedelta(minutes=5))
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer=ISSUER, audience=AUDIENCE)
    assert (claims["partner_id"], claims["scope"]) == ("partnerB", "ingest:write")
    assert claims["exp"] - claims["iat"] == 300
