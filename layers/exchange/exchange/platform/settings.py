"""The settings; no other module reads environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache

from exchange.errors import Misconfigured

# Outside local a secret is named by its ARN: every user of the console can read a function's variables.
PLAIN_SECRETS = {
    "JWT_SECRET": "JWT_SECRET_ARN",
    "TOKENIZER_HMAC_SECRET": "TOKENIZER_SECRET_ARN",
    # Not a setting of the exchange: libpq reads it.
    "PGPASSWORD": "POSTGRES_SECRET_ARN",
}


@dataclass(frozen=True)
class Settings:
    """The settings of this environment; an empty string means "not set".

    Field names are the variables' names in lower case. Secrets stay out of `repr`.
    """

    env: str = "prod"
    postgres_dsn: str = field(default="", repr=False)
    postgres_secret_arn: str = ""
    raw_bucket: str = ""
    kafka_brokers: str = ""
    kafka_secret_arn: str = ""
    topic_record_ingested_v1: str = "record.ingested.v1"
    topic_record_ingested_v2: str = "record.ingested.v2"
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_jwks_url: str = ""
    jwt_secret: str = field(default="", repr=False)
    jwt_secret_arn: str = ""
    tokenizer_hmac_secret: str = field(default="", repr=False)
    tokenizer_secret_arn: str = ""
    tokenize_function_name: str = ""
    outbox_retention_hours: str = "168"
    ledger_retention_days: str = "400"
    aws_region: str = "us-east-1"
    aws_endpoint_url_s3: str = ""
    localstack_host: str = ""

    @property
    def is_local(self) -> bool:
        """True only where ENV is exactly "local"."""
        return self.env == "local"

    def require(self, name: str) -> str:
        """Return the setting `name`; raises Misconfigured, naming the variable, when it is absent."""
        value: str = getattr(self, name)
        if not value:
            raise Misconfigured(f"{name.upper()} is not set")
        return value


def parse_settings(environment: Mapping[str, str]) -> Settings:
    """Parse settings from variables; raises Misconfigured for a plain secret or a plain JWKS URL outside local."""
    settings = Settings(
        **{f.name: environment[f.name.upper()] for f in fields(Settings) if f.name.upper() in environment}
    )
    if settings.is_local:
        return _with_localstack(settings, environment)
    for plain, by_arn in PLAIN_SECRETS.items():
        if environment.get(plain):
            raise Misconfigured(f"{plain} is allowed only when ENV=local; use {by_arn}")
    if settings.postgres_dsn and _has_password(settings.postgres_dsn):
        raise Misconfigured("POSTGRES_DSN carries a password; outside local use POSTGRES_SECRET_ARN")
    # An attacker who can change an answer on its way could make the exchange accept keys of their own.
    if settings.jwt_jwks_url and not settings.jwt_jwks_url.startswith("https://"):
        raise Misconfigured("JWT_JWKS_URL must begin with https:// outside local")
    return settings


def _with_localstack(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """Point S3 to LOCALSTACK_HOST, unless an endpoint is given: a variable that boto3 itself reads comes first."""
    given = (environment.get(name) for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"))
    if not settings.localstack_host or any(given):
        return settings
    try:
        from localstack_client.config import get_service_endpoint
    except ImportError as error:
        # A developer's tool, which is in no layer.
        raise Misconfigured("LOCALSTACK_HOST needs localstack-client; set AWS_ENDPOINT_URL_S3") from error
    return replace(settings, aws_endpoint_url_s3=get_service_endpoint("s3", settings.localstack_host) or "")


def _has_password(dsn: str) -> bool:
    """Tell whether a DSN has a password, as libpq reads it: also in a URL's query or among key=value pairs."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    try:
        return not parse_dsn(dsn).keys().isdisjoint({"password", "sslpassword"})
    except psycopg2.ProgrammingError:
        # `from None`: the driver's message quotes the DSN.
        raise Misconfigured("POSTGRES_DSN is not a connection string") from None


@cache
def load_settings() -> Settings:
    """Return this environment's settings, parsed at first use."""
    return parse_settings(os.environ)
