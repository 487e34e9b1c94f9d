"""One real stack for the whole test run, started by the first test that needs it."""

from __future__ import annotations

import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg2
import pytest
from psycopg2 import sql

from infra.embedded import BackgroundStack, PostgresEndpoint, StackConfig, create_topics, run_migrations

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

ROOT = Path(__file__).parent.parent
UNIT_TESTS = ROOT / "tests" / "unit"
MIGRATIONS = ROOT / "infra" / "postgres" / "migrations"
OWNER = "exchange_owner"


class SocketGuard:
    """Turns any use of the network into an error while it is closed."""

    closed = False

    def __call__(self, event: str, _: tuple[Any, ...]) -> None:
        if self.closed and event in {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"}:
            raise RuntimeError(f"a unit test used the network ({event}); such a test is an integration test")


GUARD = SocketGuard()
sys.addaudithook(GUARD)


# No deadline, since the time of an example depends on the machine. Derandomized, so that every run has the same
# examples and a change is not failed by an example that it did not cause.
hypothesis.settings.register_profile("exchange", deadline=None, derandomize=True)
hypothesis.settings.load_profile("exchange")


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python reads its protocol files by an API that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    # Workers of xdist and background jobs of scripts ignore Ctrl-C. Tests of Ctrl-C, and all programs that tests start,
    # would inherit that: an ignored signal is inherited, a handler is not.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_network_in_unit_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    GUARD.closed = request.path.is_relative_to(UNIT_TESTS)
    yield
    GUARD.closed = False


@dataclass(frozen=True)
class Database:
    """A migrated database for a single test."""

    name: str
    endpoint: PostgresEndpoint

    def dsn(self, role: str | None = None) -> str:
        """Return its URL for the owner, or for a role that the migrations created."""
        return self.endpoint.dsn(role=role, database=self.name)


@pytest.fixture(scope="session")
def stack_config(tmp_path_factory: pytest.TempPathFactory) -> StackConfig:
    directory = tmp_path_factory.mktemp("stack")
    return StackConfig(
        data_dir=directory / "data",
        log_dir=directory / "logs",
        owner=OWNER,
        broker_storage="memory",
        postgres_port=0,
        s3_port=0,
        kafka_port=0,
    )


@pytest.fixture(scope="session")
def stack(stack_config: StackConfig) -> Iterator[BackgroundStack]:
    with BackgroundStack(stack_config) as running:
        yield running


@pytest.fixture(scope="session")
def superuser(stack: BackgroundStack) -> Iterator[Connection]:
    with closing(psycopg2.connect(stack.endpoints.postgres.superuser_dsn(database="postgres"))) as connection:
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="session")
def postgres_template(stack: BackgroundStack, superuser: Connection) -> str:
    """Return the name of a database with every migration applied; no connection to it may stay open."""
    name = "migrated_template"
    postgres = stack.endpoints.postgres
    with superuser.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER))
        )
        if any(MIGRATIONS.glob("*.sql")):
            run_migrations(postgres.dsn(database=name), MIGRATIONS)
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'exchange\\_%'")
        for (role,) in cursor.fetchall():
            set_password = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(set_password.format(sql.Identifier(role), sql.Literal(postgres.password)))
    return name


@pytest.fixture
def database(stack: BackgroundStack, superuser: Connection, postgres_template: str) -> Iterator[Database]:
    name = fresh_name("test")
    with superuser.cursor() as cursor:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}")
        cursor.execute(create.format(*map(sql.Identifier, (name, postgres_template, OWNER))))
        yield Database(name, stack.endpoints.postgres)
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def s3_client(stack: BackgroundStack) -> Any:
    import boto3  # takes 0.3 s, which only tests with objects should pay

    s3 = stack.endpoints.s3
    return boto3.client(
        "s3",
        endpoint_url=s3.url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
    )


@pytest.fixture
def bucket(s3_client: Any) -> Iterator[str]:
    """Yield the name of an empty bucket for a single test."""
    name = fresh_name("test")
    s3_client.create_bucket(Bucket=name)
    yield name
    s3_client.delete_bucket(Bucket=name)  # SeaweedFS deletes its objects, too


@pytest.fixture(scope="session")
def kafka_brokers(stack: BackgroundStack) -> str:
    return stack.endpoints.kafka_brokers


@pytest.fixture(scope="session")
def topic(kafka_brokers: str) -> Callable[..., str]:
    """Return a function that creates a topic and returns its name: `topic(partitions=4)`."""

    def create(partitions: int = 1) -> str:
        name = fresh_name("test")
        create_topics(kafka_brokers, {name: partitions})
        return name

    return create


def fresh_name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:16]}"
