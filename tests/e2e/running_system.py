"""The whole exchange on free ports, in a thread with its own event loop, and clients for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2
import uvloop
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from infra.system.addresses import Addresses, Ports
from infra.system.layout import BUCKET
from infra.system.system import System

DEADLINE_SECONDS = 60.0


def read_rows(addresses: Addresses, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement as the owner of the database; return its rows."""
    with (
        closing(psycopg2.connect(addresses.postgres_dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


class RunningSystem:
    """A system that starts when it is created, and writes only below `data_dir`."""

    def __init__(self, data_dir: Path, ports: Ports | None = None, **options: Any) -> None:
        self.data_dir = data_dir
        self._ports = ports or Ports.any()
        self._options = {"broker_storage": "memory", "screen": False, **options}
        self._started: Future[Addresses] = Future()
        self._thread = threading.Thread(target=self._run, name="exchange")
        self._thread.start()
        self.addresses = self._started.result(timeout=180)
        s3 = self.addresses
        self.s3 = boto3.client(
            "s3",
            endpoint_url=s3.s3,
            region_name="us-east-1",
            aws_access_key_id=s3.s3_access_key,
            aws_secret_access_key=s3.s3_secret_key,
        )

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        system = System(self.data_dir, self._ports, **self._options)
        try:
            self._started.set_result(await system.start())
        except BaseException as error:
            self._started.set_exception(error)
            raise
        await self._stopping.wait()
        await system.stop()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=60)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return read_rows(self.addresses, sql, *parameters)

    def tables(self) -> list[str]:
        rows = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in rows]

    def counts(self) -> dict[str, int]:
        """Count the objects, and the rows of every table that refusals and schedules do not change."""
        moving = {"audit_log", "counters", "job_runs", "job_checkpoints"}
        kept = [name for name in self.tables() if name not in moving]
        union = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in kept)
        return {**dict(self.rows(union)), "objects": len(self.object_keys())}

    def object_keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def put_object(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def read_topic(self, topic: str) -> list[ConsumerRecord]:
        """Return every record of a topic, partition by partition in order."""
        found: list[ConsumerRecord] = []
        consumer = KafkaConsumer(
            bootstrap_servers=[self.addresses.kafka_brokers], auto_offset_reset="earliest"
        )
        with closing(consumer):
            partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic) or ()]
            consumer.assign(partitions)
            ends = consumer.end_offsets(partitions)
            deadline = time.monotonic() + DEADLINE_SECONDS
            # The reported end may be too early: read at least up to it, and on until nothing more comes.
            while (polled := consumer.poll(timeout_ms=1_000)) or any(
                consumer.position(partition) < end for partition, end in ends.items()
            ):
                assert time.monotonic() < deadline, f"not read within {DEADLINE_SECONDS:.0f} s: {topic}"
                found += [record for records in polled.values() for record in records]
        return found

    def settled(self, record_ids: Sequence[str]) -> bool:
        """Tell whether each of these records is canonical or dead."""
        ((count,),) = self.rows(
            "SELECT count(*) FROM processing_stage_state WHERE state IN ('succeeded', 'dlq')"
            " AND record_id = ANY (%s::uuid[])",
            list(record_ids),
        )
        return bool(count == len(set(record_ids)))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:.0f} s: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Answer:
    """The answer to a request, as a client sees it."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def everything(self) -> str:
        return f"{self.headers} {self.body.decode('utf-8', 'replace')}"


Headers = Sequence[tuple[str, str]]


def send(url: str, method: str, path: str, headers: Headers = (), body: bytes | None = None) -> Answer:
    """Send a request on a new connection; headers are sent as given, even duplicates."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        connection.putrequest(method, path)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body is not None:
            # The server may answer before it has read the whole of a body that is too large.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
