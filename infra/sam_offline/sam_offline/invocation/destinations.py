"""Destinations for records of invocations: buckets and Kafka topics."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from kafka import KafkaProducer
from kafka.errors import KafkaError

from sam_offline.errors import DeliveryFailed

# A record in base64 in JSON in JSON is larger than the original.
_LARGEST_MESSAGE_BYTES = 32 * 1024 * 1024
_TIMEOUT_SECONDS = 10.0


class Buckets:
    """Buckets that keep records as objects, in the S3 that the functions use."""

    def __init__(self, aws_environment: Mapping[str, str]) -> None:
        self._environment = aws_environment
        self._client: Any = None
        self._lock = threading.Lock()

    async def put(self, bucket: str, folder: str, moment: datetime, record: bytes) -> None:
        """Store a record as `<folder>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random>`. Raises DeliveryFailed."""
        key = f"{folder}/{moment:%Y/%m/%d}/{moment:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        await asyncio.to_thread(self._put, bucket, key, record)

    def _put(self, bucket: str, key: str, record: bytes) -> None:
        try:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
            self._client.put_object(Bucket=bucket, Key=key, Body=record, ContentType="application/json")
        except (BotoCoreError, ClientError) as error:
            raise DeliveryFailed(f"bucket {bucket}: {type(error).__name__}") from error

    def _connect(self) -> Any:
        environment = self._environment
        endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=environment.get("AWS_REGION", "us-east-1"),
            aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=environment.get("AWS_SESSION_TOKEN"),
            config=Config(
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 2},
                s3={"addressing_style": "path"} if endpoint else None,
            ),
        )


class Topic:
    """A Kafka topic that takes records, one delivery at a time; it connects at the first one."""

    def __init__(
        self, bootstrap_servers: tuple[str, ...], name: str, *, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._producer: KafkaProducer | None = None
        # The partitions of a source deliver from threads of their own, over the one producer.
        self._lock = threading.Lock()

    async def put(self, messages: list[tuple[bytes | None, bytes]]) -> None:
        """Write keys and values. Raises DeliveryFailed; some may have been written then."""
        await asyncio.to_thread(self._put, messages)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _put(self, messages: list[tuple[bytes | None, bytes]]) -> None:
        with self._lock:
            try:
                if self._producer is None:
                    self._producer = self._connect()
                # The original key decides on the partition, as it did in the source:
                # https://docs.aws.amazon.com/lambda/latest/dg/kafka-on-failure-destination.html#kafka-ofd-partitioning
                sent = [self._producer.send(self._name, value, key=key) for key, value in messages]
                for future in sent:
                    future.get(self._timeout_seconds)
            except KafkaError as error:
                # An idempotent producer refuses everything after one unknown outcome.
                self._discard()
                raise DeliveryFailed(f"topic {self._name}: {type(error).__name__}") from error

    def _close(self) -> None:
        with self._lock:
            self._discard()

    def _connect(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=list(self._bootstrap_servers),
            acks="all",
            max_request_size=_LARGEST_MESSAGE_BYTES,
            bootstrap_timeout_ms=3000,
            max_block_ms=3000,
            request_timeout_ms=int(self._timeout_seconds * 500),
            delivery_timeout_ms=int(self._timeout_seconds * 900),
            metrics_enabled=False,
        )

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # While something is pending, close() alone raises and leaves its thread, which would go on sending, and no
            # time-out tells when nothing is. There is no public way (kafka-python 3.0.12); a test looks for the thread.
            producer._sender.force_close()
            with suppress(KafkaError):
                producer.close(timeout=self._timeout_seconds)
