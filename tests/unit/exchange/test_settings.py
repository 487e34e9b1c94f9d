from __future__ import annotations

import pytest

from exchange.errors import Misconfigured
from exchange.platform.settings import Settings, parse_settings

PLAIN = {
    "JWT_SECRET": "plain-jwt-secret",
    "TOKENIZER_HMAC_SECRET": "plain-tokenizer-secret",
    "POSTGRES_DSN": "postgresql://role:plain-password@db/exchange",
    "PGPASSWORD": "plain-password",
}


def test_an_environment_that_says_nothing_is_production() -> None:
    settings = parse_settings({})
    assert settings.env == "prod"
    assert not settings.is_local


@pytest.mark.parametrize("env", ["prod", "ci", "LOCAL", "local ", "", "test"])
def test_only_the_word_local_is_local(env: str) -> None:
    assert not parse_settings({"ENV": env}).is_local


@pytest.mark.parametrize("variable", PLAIN)
@pytest.mark.parametrize("env", [None, "prod", "ci", "LOCAL"])
def test_a_plain_secret_is_refused_outside_local_by_its_name_alone(variable: str, env: str | None) -> None:
    environment = {variable: PLAIN[variable]} | ({"ENV": env} if env is not None else {})
    with pytest.raises(Misconfigured) as refused:
        parse_settings(environment)
    assert variable in str(refused.value)
    assert "plain-" not in str(refused.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://role@db/exchange?password=plain-password",
        "postgresql:///exchange?user=role&password=plain-password",
        "host=db user=role password=plain-password",
        "host=db sslpassword='plain-password'",
    ],
)
def test_a_password_is_found_wherever_a_dsn_may_carry_one(dsn: str) -> None:
    with pytest.raises(Misconfigured, match="POSTGRES_SECRET_ARN"):
        parse_settings({"POSTGRES_DSN": dsn})


def test_a_dsn_that_cannot_be_read_is_refused_without_showing_it() -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_settings({"POSTGRES_DSN": "password plain-password"})
    assert "plain-password" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize(
    "url", ["http://issuer.test/keys", "HTTP://issuer.test/keys", "file:///etc/keys", "issuer.test"]
)
@pytest.mark.parametrize("env", [None, "prod", "ci"])
def test_keys_of_an_issuer_come_over_tls_outside_local(url: str, env: str | None) -> None:
    with pytest.raises(Misconfigured, match=r"^JWT_JWKS_URL must begin with https:// outside local$"):
        parse_settings({"JWT_JWKS_URL": url} | ({"ENV": env} if env is not None else {}))


def test_keys_of_an_issuer_may_come_in_plain_text_locally() -> None:
    local = parse_settings({"ENV": "local", "JWT_JWKS_URL": "http://127.0.0.1:9/keys"})
    assert local.jwt_jwks_url == "http://127.0.0.1:9/keys"
    assert (
        parse_settings({"JWT_JWKS_URL": "https://issuer.test/keys"}).jwt_jwks_url
        == "https://issuer.test/keys"
    )


def test_local_takes_plain_secrets() -> None:
    settings = parse_settings({"ENV": "local"} | PLAIN)
    assert settings.require("jwt_secret") == "plain-jwt-secret"


def test_settings_show_no_secret() -> None:
    settings = parse_settings({"ENV": "local"} | PLAIN)
    assert "plain-" not in repr(settings)
    assert "plain-" not in str(settings)


def test_an_empty_variable_is_not_set() -> None:
    with pytest.raises(Misconfigured, match=r"^RAW_BUCKET is not set$"):
        Settings(raw_bucket="").require("raw_bucket")


LOCALSTACK = {"ENV": "local", "LOCALSTACK_HOST": "localstack:4566"}


def test_a_developer_s_localstack_is_s3_locally() -> None:
    assert parse_settings(LOCALSTACK).aws_endpoint_url_s3 == "http://localstack:4566"
    assert (
        parse_settings(LOCALSTACK | {"AWS_ENDPOINT_URL_S3": ""}).aws_endpoint_url_s3
        == "http://localstack:4566"
    )


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_that_is_given_comes_before_localstack(variable: str) -> None:
    settings = parse_settings(LOCALSTACK | {variable: "http://127.0.0.1:8333"})
    assert settings.aws_endpoint_url_s3 in {"", "http://127.0.0.1:8333"}


@pytest.mark.parametrize("env", ["prod", "ci", ""])
def test_nothing_but_local_knows_localstack(env: str) -> None:
    assert parse_settings(LOCALSTACK | {"ENV": env}).aws_endpoint_url_s3 == ""
