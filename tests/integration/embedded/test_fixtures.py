from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient

from infra.embedded import BackgroundStack


def test_a_test_database_is_migrated_and_belongs_to_the_owner(database: Any) -> None:
    with closing(psycopg2.connect(database.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, count(*) FROM schema_migrations")
        user, migrations = cursor.fetchone() or (None, 0)
    assert (user, migrations > 0) == ("exchange_owner", True)


@pytest.mark.parametrize(
    "role", ["exchange_ingest", "exchange_outbox", "exchange_normalize", "exchange_erase"]
)
def test_each_migrated_role_can_connect(database: Any, role: str) -> None:
    with closing(psycopg2.connect(database.dsn(role))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (role,)


def test_a_bucket_is_empty_and_takes_objects(bucket: str, s3_client: Any) -> None:
    assert "Contents" not in s3_client.list_objects_v2(Bucket=bucket)
    s3_client.put_object(Bucket=bucket, Key="k", Body=b"v")
    assert s3_client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"v"


def test_a_topic_has_as_many_partitions_as_asked_for(topic: Callable[..., str], kafka_brokers: str) -> None:
    name = topic(partitions=3)
    with closing(KafkaAdminClient(bootstrap_servers=kafka_brokers)) as admin:
        (described,) = admin.describe_topics([name])
    assert len(described["partitions"]) == 3


def test_the_shared_stack_hides_its_secrets(stack: BackgroundStack) -> None:
    endpoints = stack.endpoints
    secrets = (endpoints.postgres.password, endpoints.s3.access_key, endpoints.s3.secret_key)
    assert not any(secret in repr(endpoints) for secret in secrets)
