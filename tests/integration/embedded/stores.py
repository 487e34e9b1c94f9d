"""One interface to the three services: values are written, acknowledged or not, and read back."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import Any, Protocol

import obstore
import psycopg2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from obstore.exceptions import BaseError
from obstore.store import S3Store

from infra.embedded import Endpoints

BUCKET = "kept-objects"
TOPIC = "kept.messages"
MAX_POLL_MS = 10_000


class Store(Protocol):
    def write(self, value: str) -> bool:
        """Write a value; return True when the service has acknowledged it."""

    def read(self) -> set[str]: ...

    def close(self) -> None: ...


class Rows:
    def __init__(self, endpoints: Endpoints) -> None:
        self._dsn = endpoints.postgres.dsn()
        self._connection: Any = None

    def write(self, value: str) -> bool:
        try:
            if self._connection is None:
                self._connection = psycopg2.connect(self._dsn)
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
                cursor.execute("INSERT INTO kept VALUES (%s)", (value,))
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            self.close()
            return False
        return True

    def read(self) -> set[str]:
        with closing(psycopg2.connect(self._dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT value FROM kept")
            return {value for (value,) in cursor.fetchall()}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Objects:
    def __init__(self, endpoints: Endpoints) -> None:
        s3 = endpoints.s3
        self._store = S3Store(
            BUCKET,
            endpoint=s3.url,
            region=s3.region,
            access_key_id=s3.access_key,
            secret_access_key=s3.secret_key,
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def write(self, value: str) -> bool:
        try:
            obstore.put(self._store, value, value.encode())
        except (BaseError, OSError):
            return False
        return True

    def read(self) -> set[str]:
        listed = (item["path"] for batch in obstore.list(self._store) for item in batch)
        return {bytes(obstore.get(self._store, path).bytes()).decode() for path in listed}

    def close(self) -> None:
        pass


class Messages:
    def __init__(self, endpoints: Endpoints) -> None:
        self._brokers = endpoints.kafka_brokers
        self._producer: Any = None

    def write(self, value: str) -> bool:
        try:
            if self._producer is None:
                self._producer = KafkaProducer(bootstrap_servers=self._brokers, acks="all")
            self._producer.send(TOPIC, value.encode(), partition=0).get(timeout=20)
        except KafkaError:
            # kafka-python's idempotent producer refuses everything after one unknown error
            self.close()
            return False
        return True

    def read(self) -> set[str]:
        partition = TopicPartition(TOPIC, 0)
        with closing(KafkaConsumer(bootstrap_servers=self._brokers, consumer_timeout_ms=1_500)) as consumer:
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            return {message.value.decode() for message in consumer}

    def close(self) -> None:
        if self._producer is not None:
            # As in exchange.platform.bus: with messages pending, close() alone raises and leaves its thread running.
            self._producer._sender.force_close()
            with suppress(KafkaError):
                self._producer.close(timeout=1)
            self._producer = None


STORES: dict[str, type[Rows] | type[Objects] | type[Messages]] = {
    "postgres": Rows,
    "s3": Objects,
    "kafka": Messages,
}
