"""The whole exchange on this machine: embedded stack, migrations, partners, functions on the local runner."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from infra.embedded import BrokerStorage, Endpoints, Stack, StackConfig, run_migrations
from infra.local import Runner, RunnerConfig

ROOT = Path(__file__).parent.parent.parent
MIGRATIONS = ROOT / "infra" / "postgres" / "migrations"
PARTNERS = ROOT / "infra" / "postgres" / "partners.local.sql"

BUCKET = "exchange-raw"
INGESTED_TOPICS = ("record.ingested.v1", "record.ingested.v2")
TOPICS = {
    name: partitions for topic in INGESTED_TOPICS for name, partitions in ((topic, 2), (f"{topic}.dlq", 1))
}
FUNCTION_ROLES = ("exchange_ingest", "exchange_outbox", "exchange_normalize")
JWT_ISSUER = "https://identity.local/"
JWT_AUDIENCE = "exchange"
# The old system's development secret: its documented tokens come out the same here.
TOKENIZER_SECRET = "dev-tokenizer-secret-change-me"  # noqa: S105
REGION = "us-east-1"


@dataclass(frozen=True)
class Ports:
    """Where the system listens; 0 is any free port."""

    ingest: int = 8080
    tokenize: int = 8081
    lambda_: int = 3001
    admin: int = 3002
    postgres: int | None = None
    s3: int | None = None
    kafka: int | None = None

    @classmethod
    def any(cls) -> Self:
        """All of them free ones: for a system beside another."""
        return cls(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Addresses:
    """What a client of the running system needs; kept in the data folder for the other commands."""

    pid: int
    ingest: str
    tokenize: str
    lambda_: str
    admin: str
    kafka_brokers: str
    s3: str
    postgres_dsn: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)

    def save(self, data_dir: Path) -> None:
        """Readable by its owner alone: it holds local secrets."""
        path = data_dir / "addresses.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def load(cls, data_dir: Path) -> Self | None:
        """The addresses of the system whose data is in `data_dir`, None where none was started."""
        path = data_dir / "addresses.json"
        return cls(**json.loads(path.read_text())) if path.exists() else None


class System:
    """Started and stopped in the event loop of its caller."""

    def __init__(
        self,
        data_dir: Path,
        ports: Ports,
        *,
        broker_storage: BrokerStorage = "s3",
        screen: bool = True,
        build_dir: Path | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._ports = ports
        self._screen = screen
        self._parameters = dict(parameters or {})
        self._build_dir = build_dir or data_dir
        self.stack = Stack(
            StackConfig(
                data_dir=data_dir / "stack",
                log_dir=data_dir / "logs",
                database="exchange",
                owner="exchange_owner",
                buckets=(BUCKET,),
                topics=TOPICS,
                broker_storage=broker_storage,
                postgres_port=ports.postgres,
                s3_port=ports.s3,
                kafka_port=ports.kafka,
                region=REGION,
            )
        )
        self.runner: Runner | None = None

    async def start(self) -> Addresses:
        """Return when a record can be sent. Raises StackError or RunnerError; nothing is left running then."""
        endpoints = await self.stack.start()
        try:
            await asyncio.to_thread(prepare_database, endpoints)
            return await self._start_runner(endpoints)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End functions first, then what they stand on."""
        if self.runner is not None:
            await self.runner.stop()
        await self.stack.stop()

    async def _start_runner(self, endpoints: Endpoints) -> Addresses:
        ports = self._ports if self._ports.lambda_ else replace(self._ports, lambda_=_free_port())
        jwt_secret = _load_or_create_jwt_secret(self._data_dir / "jwt_secret")
        self.runner = Runner(
            RunnerConfig(
                template=ROOT / "template.yaml",
                state_dir=self._data_dir,
                build_dir=self._build_dir,
                parameters=_parameters(endpoints, ports.lambda_, jwt_secret) | self._parameters,
                aws_environment={
                    "AWS_REGION": REGION,
                    "AWS_ACCESS_KEY_ID": endpoints.s3.access_key,
                    "AWS_SECRET_ACCESS_KEY": endpoints.s3.secret_key,
                },
                api_ports={"IngestApi": ports.ingest, "TokenizeApi": ports.tokenize},
                lambda_port=ports.lambda_,
                admin_port=ports.admin,
                screen=self._screen,
            )
        )
        await self.runner.start()
        urls = self.runner.endpoints
        addresses = Addresses(
            pid=os.getpid(),
            ingest=urls["IngestApi"],
            tokenize=urls["TokenizeApi"],
            lambda_=urls["lambda"],
            admin=urls["admin"],
            kafka_brokers=endpoints.kafka_brokers,
            s3=endpoints.s3.url,
            postgres_dsn=endpoints.postgres.dsn(),
            s3_access_key=endpoints.s3.access_key,
            s3_secret_key=endpoints.s3.secret_key,
            jwt_secret=jwt_secret,
        )
        addresses.save(self._data_dir)
        return addresses


def prepare_database(endpoints: Endpoints) -> None:
    """Migrate, give the functions' roles the local password, register the local partners."""
    postgres = endpoints.postgres
    run_migrations(postgres.dsn(), MIGRATIONS)
    with closing(psycopg2.connect(postgres.superuser_dsn())) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (list(FUNCTION_ROLES),))
        for (role,) in cursor.fetchall():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(role), sql.Literal(postgres.password)))
        cursor.execute(PARTNERS.read_text(encoding="utf-8"))


def _parameters(endpoints: Endpoints, lambda_port: int, jwt_secret: str) -> dict[str, str]:
    postgres = endpoints.postgres
    return {
        "Env": "local",
        "RawBucket": BUCKET,
        "PostgresHost": postgres.host,
        "PostgresPort": str(postgres.port),
        "PostgresDatabase": postgres.database,
        "PostgresPassword": quote(postgres.password, safe=""),
        "KafkaBrokers": endpoints.kafka_brokers,
        "JwtIssuer": JWT_ISSUER,
        "JwtAudience": JWT_AUDIENCE,
        "JwtSecret": jwt_secret,
        "TokenizerHmacSecret": TOKENIZER_SECRET,
        "S3Endpoint": endpoints.s3.url,
        "LambdaEndpoint": f"http://127.0.0.1:{lambda_port}",
    }


def _load_or_create_jwt_secret(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
