"""The exchange's services on a test's own database and bucket, each connected as the role of its function."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import psycopg2
import psycopg2.extras
from botocore.config import Config
from obstore.store import S3Store

from exchange.erasure.service import Eraser
from exchange.intake.model import Submission
from exchange.intake.service import Intake
from exchange.outbox.service import Publisher
from exchange.partners.service import PartnerRegistry
from exchange.platform.bus import Bus, Message
from exchange.platform.db import Database
from exchange.platform.functions import Function
from exchange.platform.http import HttpRequest
from exchange.platform.objects import Objects
from exchange.platform.settings import Settings
from exchange.platform.versions import ObjectVersions
from exchange.raw.entry import encode_event, encode_metadata, event_id
from exchange.raw.reader import RawReader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.service import Normalizer
from exchange.tokens.service import tokenize_batch
from infra.embedded import Endpoints

psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]

CONTRACTS = Path(__file__).parents[3] / "contracts"
TOKENIZER_SECRET = "a tokenizer secret of the tests"
TOPICS = {"1": "record.ingested.v1", "2": "record.ingested.v2"}
CONTRACT_OF_TOPIC = {topic: f"events/{topic}" for topic in TOPICS.values()}
SOURCE_OF = {"partnerA.v1": "hospital-a", "partnerA.v2": "hospital-a", "partnerB.v1": "hospital-b"}
SAM = {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01", "ssn": "123-45-6789"}


# On a busy machine, the short limits of the roles would fail tests; test_roles.py tests these limits.
PATIENT = "-c lock_timeout=60s -c statement_timeout=90s -c idle_in_transaction_session_timeout=90s"


@dataclass(frozen=True)
class Context:
    """The facts about an invocation that Lambda passes to a handler."""

    aws_request_id: str = "11111111-2222-3333-4444-555555555555"
    function_name: str = "test"
    remaining_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


class InProcessTokenizer(Function):
    """The tokenize function, called directly; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        answer: dict[str, Any] = json.loads(
            json.dumps(tokenize_batch(json.loads(json.dumps(payload)), SETTINGS))
        )
        return answer


SETTINGS = Settings(
    env="local",
    raw_bucket="set by each test",
    tokenizer_hmac_secret=TOKENIZER_SECRET,
)


class ObjectsThatThen(Objects):
    """A real bucket that calls a function after each PUT."""

    def __init__(self, store: S3Store, then: Callable[[], None]) -> None:
        super().__init__(store)
        self._then = then

    def put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        super().put(key, body, metadata)
        self._then()


class BusThatThen(Bus):
    """A real broker that calls a function after each produce."""

    def __init__(self, brokers: Sequence[str], then: Callable[[], None]) -> None:
        super().__init__(brokers)
        self._then = then

    def produce(self, messages: Sequence[Message]) -> list[str | None]:
        outcomes = super().produce(messages)
        self._then()
        return outcomes


@dataclass(frozen=True)
class Exchange:
    """A database, a bucket, and the services that work on them."""

    database: str
    bucket: str
    endpoints: Endpoints = field(repr=False)

    def dsn(self, role: str | None = None) -> str:
        return self.endpoints.postgres.dsn(role=role, database=self.database)

    def connect_as(self, role: str, options: str = PATIENT) -> Database:
        return Database(lambda: psycopg2.connect(self.dsn(role), options=options))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the tables; return its rows."""
        with (
            closing(psycopg2.connect(self.dsn())) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> int:
        ((count,),) = self.rows(f"SELECT count(*) FROM {table}")
        assert isinstance(count, int)
        return count

    def kill_connections_of(self, role: str) -> int:
        """End a role's connections, as a failover or an operator does; return their number."""
        with (
            closing(
                psycopg2.connect(self.endpoints.postgres.superuser_dsn(database=self.database))
            ) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = %s AND datname = %s",
                (role, self.database),
            )
            return len(cursor.fetchall())

    def store(self, *, endpoint: str | None = None) -> S3Store:
        s3 = self.endpoints.s3
        return S3Store(
            self.bucket,
            region=s3.region,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "60s", "connect_timeout": "20s"},
            retry_config={"max_retries": 0},
            endpoint=endpoint or s3.url,
            access_key_id=s3.access_key,
            secret_access_key=s3.secret_key,
        )

    def objects(self) -> Objects:
        return Objects(self.store())

    def intake(
        self, *, database: Database | None = None, objects: Objects | None = None, **settings: str
    ) -> Intake:
        return Intake(
            database or self.connect_as("exchange_ingest"),
            objects or self.objects(),
            Settings(env="local", raw_bucket=self.bucket, **settings),
        )

    def publisher(self, bus: Bus, *, retention_hours: int = 168) -> Publisher:
        return Publisher(self.connect_as("exchange_outbox"), bus, retention_hours=retention_hours)

    def normalizer(
        self,
        *,
        tokenizer: Function | None = None,
        objects: Objects | None = None,
        database: Database | None = None,
    ) -> Normalizer:
        database = database or self.connect_as("exchange_normalize")
        reader = RawReader(objects or self.objects(), PartnerRegistry(database), self.bucket)
        canonicalizer = Canonicalizer(reader, tokenizer or InProcessTokenizer())
        return Normalizer(database, canonicalizer, CONTRACT_OF_TOPIC)

    def versions(self, endpoint: str | None = None) -> ObjectVersions:
        s3 = self.endpoints.s3
        client = boto3.client(
            "s3",
            endpoint_url=endpoint or s3.url,
            region_name=s3.region,
            aws_access_key_id=s3.access_key,
            aws_secret_access_key=s3.secret_key,
            config=Config(connect_timeout=20, read_timeout=60, retries={"total_max_attempts": 1}),
        )
        return ObjectVersions(client, self.bucket)

    def eraser(self, *, versions: ObjectVersions | None = None) -> Eraser:
        database = self.connect_as("exchange_erase")
        return Eraser(database, versions or self.versions(), InProcessTokenizer)

    def put(self, submission: Submission, *, body: bytes | None = None) -> None:
        self.objects().put(
            submission.object_key, submission.body if body is None else body, object_metadata(submission)
        )

    def event(self, submission: Submission, **changes: Any) -> bytes:
        """Return the submission's event; `changes` replace its fields, but `raw_object` is merged."""
        event = json.loads(record_ingested(submission, self.bucket))
        raw_object = event["raw_object"] | changes.pop("raw_object", {})
        return json.dumps(event | changes | {"raw_object": raw_object}).encode()


def example(hint: str, kind: str, number: int = 0) -> dict[str, Any]:
    """Return a payload from the examples in its contract."""
    schema = json.loads((CONTRACTS / "partners" / hint / f"{kind}.json").read_bytes())
    payload: dict[str, Any] = schema["examples"][number]
    return payload


def body_of(version: str, kind: str, hint: str, payload: object, person: Mapping[str, object]) -> bytes:
    """Return a request body in the form of an API version."""
    if version == "1":
        names = {"given_name": "first_name", "family_name": "last_name"}
        patient = {names.get(name, name): value for name, value in person.items()}
        body: dict[str, object] = {"record_type": kind}
    else:
        patient = dict(person)
        body = {"record_kind": kind, "schema_hint": hint}
    return json.dumps(body | {"source": SOURCE_OF[hint], "patient": patient, "payload": payload}).encode()


def submission(
    key: str,
    *,
    version: str = "2",
    kind: str = "encounter",
    hint: str = "partnerA.v2",
    payload: object = None,
    person: Mapping[str, object] = SAM,
    body: bytes | None = None,
) -> Submission:
    """Return a submission as ingest accepts it; the idempotency key must have at least 8 characters."""
    payload = example(hint, kind) if payload is None else payload
    return Submission(
        partner_id="partnerB" if hint == "partnerB.v1" else "partnerA",
        source=SOURCE_OF[hint],
        route=f"/v{version}/ingest",
        record_kind=kind,
        schema_hint=hint,
        correlation_id="correlation-of-the-tests",
        occurred_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        idempotency_key=key,
        body=body_of(version, kind, hint, payload, person) if body is None else body,
    )


def event_id_of(record: Submission) -> UUID:
    return event_id(record.record_id, record.version)


def record_ingested(record: Submission, bucket: str) -> bytes:
    """Return the event of a submission, in the version of its route."""
    entry = record.entry(bucket)
    return encode_event(entry, entry.version)


def object_metadata(record: Submission) -> dict[str, str]:
    """Return the metadata that ingest stores with a submission's object."""
    return encode_metadata(record.entry(""), record.key_hash)


def http_request(
    body: bytes,
    *,
    key: str = "key-00000001",
    route: str = "/v1/ingest",
    authorization: str | None = "Bearer dev",
    correlation_id: str = "correlation-1",
) -> HttpRequest:
    headers = {
        "content-type": ["application/json"],
        "idempotency-key": [key],
        "x-correlation-id": [correlation_id],
    }
    if authorization is not None:
        headers["authorization"] = [authorization]
    return HttpRequest(method="POST", route=route, body=body, headers=headers)


def kafka_event(*values: bytes, topic: str = TOPICS["2"], first_offset: int = 0) -> dict[str, Any]:
    """Return an event of the event source, with `values` as the records of one partition."""
    records = [
        {
            "topic": topic,
            "partition": 0,
            "offset": first_offset + number,
            "timestamp": 0,
            "timestampType": "CREATE_TIME",
            "key": base64.b64encode(b"key").decode(),
            "value": base64.b64encode(value).decode(),
            "headers": [],
        }
        for number, value in enumerate(values)
    ]
    return {
        "eventSource": "aws:SelfManagedKafka",
        "bootstrapServers": "localhost:9092",
        "records": {f"{topic}-0": records},
    }


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
