"""Token keys and passwords in the secret store, by ARN, as on AWS."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from exchange.erasure.service import Eraser
from exchange.errors import DependencyUnavailable, Misconfigured
from exchange.platform.auth import authenticate
from exchange.platform.functions import Function
from exchange.platform.settings import Settings
from exchange.tokens.keys import current_key
from exchange.tokens.service import tokenize_batch
from tests.integration.exchange.harness import SAM, Exchange, kafka_event, submission


class TokenizerWith(Function):
    """The tokenize function with the keys of a secret."""

    def __init__(self, arn: str) -> None:
        self._settings = Settings(tokenizer_secret_arn=arn)

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        return tokenize_batch(payload, self._settings)


def test_the_current_version_of_the_key_makes_the_tokens(keep: Callable[[str], str]) -> None:
    arn = keep(json.dumps({"current": "2", "1": "the old one", "2": "dev-tokenizer-secret-change-me"}))
    answer = tokenize_batch(
        {"profile": "v1", "people": [dict(SAM) | {"ssn": None}], "identifiers": []},
        Settings(tokenizer_secret_arn=arn),
    )
    assert answer["key_version"] == "2"
    (token,) = answer["people"][0]["tokens"]
    assert token["token"] == "ce8ae21533b5c005f4e53a1d146221339bb8019cea6eb6981e29ea1d2884d7f6"


def test_a_person_is_found_by_the_tokens_of_every_version_of_the_key(
    keep: Callable[[str], str], exchange: Exchange
) -> None:
    before = TokenizerWith(keep(json.dumps({"current": "1", "1": "the first key"})))
    after = TokenizerWith(keep(json.dumps({"current": "2", "1": "the first key", "2": "the second key"})))
    records = [submission(f"key-of-version-{number}") for number in range(2)]
    for record, tokenizer in zip(records, (before, after), strict=True):
        exchange.put(record)
        event = kafka_event(exchange.event(record))
        assert exchange.normalizer(tokenizer=tokenizer).normalize(event).canonical == 1
    assert exchange.rows("SELECT key_version FROM patient_tokens ORDER BY 1") == [("1",), ("2",)]

    eraser = Eraser(exchange.connect_as("exchange_erase"), exchange.versions(), lambda: after)
    assert set(eraser.find_person("partnerA", dict(SAM))) == {record.record_id for record in records}


@pytest.mark.parametrize(
    "text",
    [
        "dev-tokenizer-secret-change-me",
        "[]",
        '{"current": 1, "1": "x"}',
        '{"current": "2", "1": "x"}',
        '{"1": "x"}',
        '{"current": "current"}',
        '{"current": "1", "1": ""}',
    ],
)
def test_a_secret_that_names_no_current_key_makes_no_token(keep: Callable[[str], str], text: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        current_key(Settings(tokenizer_secret_arn=keep(text)))
    assert "dev-tokenizer" not in str(refused.value)


def test_a_secret_that_is_not_there_is_an_outage(keep: Callable[[str], str]) -> None:
    with pytest.raises(DependencyUnavailable):
        current_key(
            Settings(tokenizer_secret_arn="arn:aws:secretsmanager:us-east-1:123456789012:secret:none-AbCdEf")
        )


def test_the_jwt_secret_comes_by_its_arn_outside_local(keep: Callable[[str], str]) -> None:
    import jwt

    secret = "a secret that is long enough for HS256, by far"
    claims = {"iss": "i", "aud": "a", "exp": 4102444800, "partner_id": "partnerA", "scope": "tokenize"}
    settings = Settings(jwt_issuer="i", jwt_audience="a", jwt_secret_arn=keep(secret))
    assert authenticate(f"Bearer {jwt.encode(claims, secret)}", settings).partner_id == "partnerA"
