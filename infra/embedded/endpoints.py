from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

SUPERUSER = "postgres"


@dataclass(frozen=True)
class PostgresEndpoint:
    host: str
    port: int
    database: str
    owner: str
    password: str = field(repr=False)

    def dsn(self, *, role: str | None = None, database: str | None = None) -> str:
        """The URL of `database` (the stack's own by default) for `role` (its owner by default).

        It carries the local password, which is right for a role only once somebody has given it that one.
        """
        user = quote(role or self.owner, safe="")
        name = quote(database or self.database, safe="")
        password = quote(self.password, safe="")
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{name}?sslmode=disable"

    def superuser_dsn(self, *, database: str | None = None) -> str:
        """The same URL for the superuser."""
        return self.dsn(role=SUPERUSER, database=database)


@dataclass(frozen=True)
class S3Endpoint:
    url: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Endpoints:
    """Where the services of a started stack are. Its repr shows no secret."""

    postgres: PostgresEndpoint
    s3: S3Endpoint
    kafka_brokers: str
