"""Authentication by the shared secret. Public keys need a server, so the integration tests cover them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from exchange.errors import Forbidden, Misconfigured, Unauthenticated
from exchange.platform.auth import (
    LEEWAY_SECONDS,
    REMEMBERED_SECONDS,
    REMEMBERED_TOKENS,
    Caller,
    RememberedCallers,
    authenticate,
)
from exchange.platform.settings import Settings

SECRET = "a secret that only this test knows, 40+."
SETTINGS = Settings(
    env="local", jwt_issuer="https://issuer.test/", jwt_audience="exchange", jwt_secret=SECRET
)


def claims(**changes: object) -> dict[str, Any]:
    usual = {
        "iss": "https://issuer.test/",
        "aud": "exchange",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "partner_id": "partnerA",
        "scope": "ingest:write tokenize",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def signed(**changes: object) -> str:
    return jwt.encode(claims(**changes), SECRET, algorithm="HS256")


def unsigned_part(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def test_a_token_of_our_issuer_is_a_caller_with_its_partner_and_scopes() -> None:
    caller = authenticate(f"Bearer {signed()}", SETTINGS)
    assert caller.partner_id == "partnerA"
    assert caller.scopes == {"ingest:write", "tokenize"}


def test_the_scheme_is_read_in_any_case() -> None:
    assert authenticate(f"bEaReR {signed()}", SETTINGS).partner_id == "partnerA"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "dev", "Basic ZGV2OmRldg==", "Bearer: dev", "Token dev", "Bearerdev"],
)
def test_a_header_that_holds_no_bearer_token_is_refused(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        authenticate(header, SETTINGS)
    assert refused.value.field == "Authorization"


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
REFUSED_TOKENS = {
    "expired": signed(exp=LONG_AGO),
    "never expires": signed(exp=None),
    "expires at no time": jwt.encode(claims(exp="tomorrow"), SECRET),
    "not valid yet": signed(nbf=datetime(2999, 1, 1, tzinfo=UTC)),
    "for another audience": signed(aud="another"),
    "for no audience": signed(aud=None),
    "of another issuer": signed(iss="https://elsewhere.test/"),
    "of no issuer": signed(iss=None),
    "of another secret": jwt.encode(claims(), "b" * 40, algorithm="HS256"),
    "of another HMAC": jwt.encode(claims(), SECRET * 2, algorithm="HS512"),
    "alg none": jwt.encode(claims(), "", algorithm="none"),
    "alg None in another case": f"{unsigned_part({'alg': 'nOnE'})}.{unsigned_part({'iss': 'x'})}.",
    "without a signature": signed().rpartition(".")[0] + ".",
    "with changed claims": ".".join(
        [signed().split(".")[0], unsigned_part({"partner_id": "partnerB"}), signed().split(".")[2]]
    ),
    "without a partner": signed(partner_id=None),
    "with an empty partner": signed(partner_id=""),
    "with a list for a partner": signed(partner_id=["partnerA", "partnerB"]),
    "with a partner that no registry could hold": signed(partner_id="a\0b"),
    "without a scope": signed(scope=None),
    "with a list for a scope": signed(scope=["ingest:write"]),
    "nested without end": base64.urlsafe_b64encode(b"[" * 20_000).decode() + ".e30.",
    "not a JWT": "hello",
    "all dots": "...",
    "beyond ASCII": "ünïcode.ünïcode.ünïcode",
}


@pytest.mark.parametrize("token", REFUSED_TOKENS.values(), ids=REFUSED_TOKENS)
def test_a_token_is_refused_that_is(token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        authenticate(f"Bearer {token}", SETTINGS)
    assert refused.value.field == "Authorization"
    assert token not in str(refused.value)


def test_a_caller_without_the_scope_is_known_and_may_not() -> None:
    caller = authenticate(f"Bearer {signed(scope='tokenize ingest:writer')}", SETTINGS)
    with pytest.raises(Forbidden) as refused:
        caller.require_scope("ingest:write")
    assert refused.value.field == "Authorization"


def test_the_developer_may_act_as_anyone_where_env_is_local() -> None:
    caller = authenticate("Bearer dev", SETTINGS)
    assert caller.partner_id is None
    assert caller.scopes == {"ingest:write", "tokenize"}


@pytest.mark.parametrize("env", ["prod", "ci", "LOCAL", "Local", " local", "", "development"])
def test_the_developer_is_nobody_where_env_is_anything_else(env: str) -> None:
    # The JWKS is never requested: "dev" has no header that could name a key.
    settings = Settings(
        env=env, jwt_issuer="i", jwt_audience="a", jwt_jwks_url="https://nowhere.invalid/keys"
    )
    with pytest.raises(Unauthenticated):
        authenticate("Bearer dev", settings)


@pytest.mark.parametrize("secret", ["short", "x" * 31])
def test_a_secret_that_could_be_guessed_is_not_used(secret: str) -> None:
    with pytest.raises(Misconfigured, match="shorter than 32 bytes"):
        authenticate(f"Bearer {signed()}", Settings(env="local", jwt_issuer="i", jwt_secret=secret))


@pytest.mark.parametrize("missing", ["jwt_secret", "jwt_issuer", "jwt_audience"])
def test_nobody_is_let_in_where_a_setting_is_missing(missing: str) -> None:
    told = {"jwt_issuer": "https://issuer.test/", "jwt_audience": "exchange", "jwt_secret": SECRET}
    del told[missing]
    with pytest.raises(Misconfigured, match=missing.upper()):
        authenticate(f"Bearer {signed()}", Settings(env="local", **told))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


CALLER = Caller(partner_id="partnerA", scopes=frozenset({"ingest:write"}))
NEVER = 9e9


def test_a_verified_token_is_known_for_a_minute() -> None:
    clock = Clock()
    callers = RememberedCallers(clock)
    callers.keep("token", CALLER, NEVER)
    clock.now += REMEMBERED_SECONDS - 1
    assert callers.caller_of("token") is CALLER
    clock.now += 1
    assert callers.caller_of("token") is None


def test_a_known_token_ends_when_it_expires() -> None:
    clock = Clock()
    callers = RememberedCallers(clock)
    callers.keep("token", CALLER, clock.now + 1)
    clock.now += 1 + LEEWAY_SECONDS - 0.1
    assert callers.caller_of("token") is CALLER
    clock.now += 0.1
    assert callers.caller_of("token") is None


def test_a_token_is_known_as_a_whole_or_not_at_all() -> None:
    good = signed()
    assert authenticate(f"Bearer {good}", SETTINGS).partner_id == "partnerA"
    for forged in (good[:-1], good + "A", good.rpartition(".")[0] + ".", good.swapcase()):
        with pytest.raises(Unauthenticated):
            authenticate(f"Bearer {forged}", SETTINGS)


def test_a_token_is_known_to_those_settings_only_that_verified_it() -> None:
    good = signed()
    authenticate(f"Bearer {good}", SETTINGS)
    with pytest.raises(Unauthenticated):
        authenticate(f"Bearer {good}", replace(SETTINGS, jwt_audience="another"))


def test_callers_do_not_fill_the_memory() -> None:
    callers = RememberedCallers()
    for number in range(REMEMBERED_TOKENS + 1):
        callers.keep(str(number), CALLER, NEVER)
    known = [number for number in range(REMEMBERED_TOKENS + 1) if callers.caller_of(str(number))]
    assert known[-1] == REMEMBERED_TOKENS
    assert len(known) <= REMEMBERED_TOKENS
