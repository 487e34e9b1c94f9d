"""Preparation of the services for the first record: the schema, the bucket, the topics. Each is safe to repeat."""

from __future__ import annotations

from typing import Any

from infra.compose.config import ComposeConfig
from infra.embedded import create_topics
from infra.embedded.postgres import ensure_database
from infra.system.database import prepare_database
from infra.system.layout import BUCKET, TOPICS


def migrate(config: ComposeConfig) -> None:
    """Make the owner and the database, run every migration, set the roles' passwords, register the local partners."""
    postgres = config.endpoints().postgres
    ensure_database(postgres)
    prepare_database(postgres)


def make_topics(config: ComposeConfig) -> None:
    """Make the topics that do not exist yet."""
    create_topics(config.kafka_brokers, TOPICS)


def make_bucket(config: ComposeConfig) -> None:
    """Make the bucket. Raises ClientError, or BotoCoreError when the store does not answer within a minute."""
    s3 = _client(config)
    if BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=BUCKET)


def _client(config: ComposeConfig) -> Any:
    import boto3
    from botocore.config import Config

    store = config.endpoints().s3
    return boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name=store.region,
        aws_access_key_id=store.access_key,
        aws_secret_access_key=store.secret_key,
        # A store by profile is waited for here: compose knows no "healthy, if it is started at all".
        config=Config(
            retries={"total_max_attempts": 10, "mode": "standard"}, s3={"addressing_style": "path"}
        ),
    )
