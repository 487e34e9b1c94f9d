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
        """Return the URL of `database` (by default the stack's own) for `role` (by default the database's owner).

        It contains the local password, so a role other than those two must have been given that password first.
        """
        user = quote(role or self.owner, safe="")
        name = quote(database or self.database, safe="")
        password = quote(self.password, safe="")
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{name}?sslmode=disable"

    def superuser_dsn(self, *, database: str | None = None) -> str:
        """Return the same URL for the superuser."""
        return self.dsn(role=SUPERUSER, database=database)


@dataclass(frozen=True)
class S3Endpoint:
    url: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Endpoints:
    """The addresses and credentials of a started stack's services. The repr shows no secret."""

    postgres: PostgresEndpoint
    s3: S3Endpoint
    kafka_brokers: str
