from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.embedded import BackgroundStack

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

    from tests.integration.exchange.harness import Exchange

PARTNERS = Path(__file__).parents[3] / "infra" / "postgres" / "partners.local.sql"


@pytest.fixture
def exchange(database: Any, bucket: str, stack: BackgroundStack) -> Exchange:
    """Return an empty exchange with the partners of a local system."""
    # Imported late: a conftest is loaded before the filter for kafka-python's deprecation warnings is set.
    from tests.integration.exchange.harness import Exchange

    built = Exchange(database.name, bucket, stack.endpoints)
    built.rows(PARTNERS.read_text(encoding="utf-8"))
    return built


@pytest.fixture
def keep(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Yield a function that puts a secret into AWS's store, simulated by moto, and returns its ARN."""
    import boto3
    from moto import mock_aws

    from exchange.platform.secrets import read_secret

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    read_secret.cache_clear()
    with mock_aws():
        client = boto3.client("secretsmanager")
        numbers = iter(range(100))
        yield lambda text: client.create_secret(Name=f"secret-{next(numbers)}", SecretString=text)["ARN"]
    read_secret.cache_clear()


@pytest.fixture
def many_connections(superuser: Connection, postgres_template: str) -> Iterator[None]:
    """Allow 64 concurrent writers; the role's own limit is meant for the environments of a deployment."""
    with superuser.cursor() as cursor:
        cursor.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'exchange_ingest'")
        (limit,) = cursor.fetchone() or (-1,)
        cursor.execute("ALTER ROLE exchange_ingest CONNECTION LIMIT -1")
        yield
        cursor.execute(f"ALTER ROLE exchange_ingest CONNECTION LIMIT {int(limit)}")
