"""The whole exchange on this machine: embedded stack, migrations, partners, functions on the local runner."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
from psycopg2 import sql

from infra.cli.addresses import BUCKET, REGION, ROOT, Addresses, Ports, free_port
from infra.cli.local_tokens import AUDIENCE, ISSUER, load_or_create_secret
from infra.cli.services import keep_services_written
from infra.embedded import BrokerStorage, Endpoints, Stack, StackConfig, run_migrations
from infra.local import Runner, RunnerConfig

__all__ = [
    "BUCKET",
    "MIGRATIONS",
    "ROOT",
    "Addresses",
    "Ports",
    "System",
    "prepare_database",
    "stack_config",
    "template_parameters",
]

# What is built from the template is kept by content, so every system of this clone shares it.
BUILD_DIR = ROOT / ".local" / "build"
MIGRATIONS = ROOT / "infra" / "postgres" / "migrations"
PARTNERS = ROOT / "infra" / "postgres" / "partners.local.sql"

INGESTED_TOPICS = ("record.ingested.v1", "record.ingested.v2")
TOPICS = {
    name: partitions for topic in INGESTED_TOPICS for name, partitions in ((topic, 2), (f"{topic}.dlq", 1))
}
# A request or a batch ends within this; the publisher that lingers for a minute is safe to cut, as on a time-out.
STOP_TIMEOUT_SECONDS = 2.0
FUNCTION_ROLES = r"exchange\_%"
# The old system's development secret: its documented tokens come out the same here.
TOKENIZER_SECRET = "dev-tokenizer-secret-change-me"  # noqa: S105


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
        sources: bool = True,
        watch: bool = False,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._ports = ports
        self._screen = screen
        self._sources = sources
        self._watch = watch
        self._parameters = dict(parameters or {})
        self._build_dir = build_dir or BUILD_DIR
        self.stack = Stack(stack_config(data_dir, ports, broker_storage))
        self.runner: Runner | None = None
        self._services_writer: asyncio.Task[None] | None = None

    async def start(self) -> Addresses:
        """Return when a record can be sent. Raises StackError or RunnerError; nothing is left running then."""
        endpoints = await self.stack.start()
        try:
            await asyncio.to_thread(prepare_database, endpoints)
            addresses = await self._start_runner(endpoints)
        except BaseException:
            await self.stop()
            raise
        self._services_writer = asyncio.create_task(keep_services_written(self.stack, self._data_dir))
        addresses.save(self._data_dir)
        return addresses

    async def stop(self) -> None:
        """End functions first, then what they stand on. Safe to call more than once."""
        if self._services_writer is not None:
            self._services_writer.cancel()
        if self.runner is not None:
            await self.runner.stop()
            self.runner = None
        await self.stack.stop()

    async def wait_for_stop_request(self) -> None:
        """Return when somebody has asked for the end through the admin port. Call it once started."""
        if self.runner is not None:
            await self.runner.wait_for_stop_request()

    async def _start_runner(self, endpoints: Endpoints) -> Addresses:
        ports = self._ports if self._ports.lambda_ else replace(self._ports, lambda_=free_port())
        jwt_secret = load_or_create_secret(self._data_dir / "jwt_secret")
        runner = Runner(
            RunnerConfig(
                template=ROOT / "template.yaml",
                state_dir=self._data_dir,
                build_dir=self._build_dir,
                parameters=template_parameters(endpoints, ports.lambda_, jwt_secret) | self._parameters,
                aws_environment={
                    "AWS_REGION": REGION,
                    "AWS_ACCESS_KEY_ID": endpoints.s3.access_key,
                    "AWS_SECRET_ACCESS_KEY": endpoints.s3.secret_key,
                },
                api_ports={"IngestApi": ports.ingest, "TokenizeApi": ports.tokenize},
                lambda_port=ports.lambda_,
                admin_port=ports.admin,
                screen=self._screen,
                stop_timeout_seconds=STOP_TIMEOUT_SECONDS,
                sources=self._sources,
                watch=self._watch,
                # Two a core keep every core busy through the waits for disk; more only evict each other's caches.
                default_concurrency=max(4, 2 * (os.cpu_count() or 1)),
            )
        )
        await runner.start()
        self.runner = runner
        urls = runner.endpoints
        return Addresses(
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


def stack_config(
    data_dir: Path, ports: Ports, broker_storage: BrokerStorage, kafka_advertised_host: str = "127.0.0.1"
) -> StackConfig:
    """The services that the exchange stands on, with their data in `data_dir`."""
    return StackConfig(
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
        kafka_advertised_host=kafka_advertised_host,
        region=REGION,
    )


def prepare_database(endpoints: Endpoints) -> None:
    """Migrate, give the functions' roles the local password, register the local partners."""
    postgres = endpoints.postgres
    run_migrations(postgres.dsn(), MIGRATIONS)
    with (
        closing(psycopg2.connect(postgres.superuser_dsn())) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (FUNCTION_ROLES,))
        for (role,) in cursor.fetchall():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(role), sql.Literal(postgres.password)))
        cursor.execute(PARTNERS.read_text(encoding="utf-8"))


def template_parameters(endpoints: Endpoints, lambda_port: int, jwt_secret: str) -> dict[str, str]:
    """What the template is told, here: functions on this machine's loopback, services of the embedded stack."""
    postgres = endpoints.postgres
    return {
        "Env": "local",
        "RawBucket": BUCKET,
        "PostgresHost": postgres.host,
        "PostgresPort": str(postgres.port),
        "PostgresDatabase": postgres.database,
        "PostgresPassword": postgres.password,
        "KafkaBrokers": endpoints.kafka_brokers,
        "JwtIssuer": ISSUER,
        "JwtAudience": AUDIENCE,
        "JwtSecret": jwt_secret,
        "TokenizerHmacSecret": TOKENIZER_SECRET,
        "S3Endpoint": endpoints.s3.url,
        "LambdaEndpoint": f"http://127.0.0.1:{lambda_port}",
    }
