"""The addresses at which the containers of docker-compose.yml reach each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from infra.compose.secret_files import S3_ACCESS_KEY, read_secret_file
from infra.embedded import Endpoints, PostgresEndpoint, S3Endpoint
from infra.system.layout import REGION


@dataclass(frozen=True)
class ComposeConfig:
    """Addresses and folders in a container; the defaults are those of docker-compose.yml, host names its services."""

    secrets_dir: Path = Path("/run/exchange")
    state_dir: Path = Path("/var/lib/exchange")
    build_dir: Path = Path("/opt/exchange/build")
    postgres_host: str = "postgres"
    postgres_port: int = 5432
    s3_endpoint: str = "http://s3:8333"
    s3_access_key: str = S3_ACCESS_KEY
    kafka_brokers: str = "redpanda:9092"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Return the configuration with the object store of S3_ENDPOINT; docker-compose.yml fixes the rest."""
        s3_endpoint = environment.get("S3_ENDPOINT")
        return cls(s3_endpoint=s3_endpoint) if s3_endpoint else cls()

    def endpoints(self) -> Endpoints:
        """Return the services' addresses with the secrets of this project."""
        return Endpoints(
            postgres=PostgresEndpoint(
                host=self.postgres_host,
                port=self.postgres_port,
                database="exchange",
                owner="exchange_owner",
                password=read_secret_file(self.secrets_dir, "postgres_password"),
            ),
            s3=S3Endpoint(
                url=self.s3_endpoint,
                region=REGION,
                access_key=self.s3_access_key,
                secret_key=read_secret_file(self.secrets_dir, "s3_secret_key"),
            ),
            kafka_brokers=self.kafka_brokers,
        )
