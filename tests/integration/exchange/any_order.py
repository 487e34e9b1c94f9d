"""The exchange in one process, driven in any order with crashes, and a small model of its promises."""

from __future__ import annotations

import itertools
import json
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

import obstore
from aws_lambda_powertools.utilities.typing import LambdaContext
from kafka import KafkaConsumer, TopicPartition

from exchange.dead_letters.model import LetterSelection
from exchange.dead_letters.service import DeadLetters
from exchange.erasure.service import Eraser
from exchange.errors import DependencyUnavailable, RecordErased
from exchange.intake.model import Receipt
from exchange.intake.service import Intake
from exchange.ledger.model import ATTEMPT_LIMIT
from exchange.outbox.service import Publisher
from exchange.partners.service import PartnerRegistry
from exchange.platform.bus import Bus, Message
from exchange.platform.db import Database
from exchange.platform.deadline import Deadline
from exchange.platform.environment import environment_id
from exchange.platform.objects import ObjectOverLimit, Objects, StoredObject
from exchange.platform.settings import Settings
from exchange.platform.versions import ObjectVersions
from exchange.raw.reader import RawReader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.service import Normalizer
from exchange.recovery.reconcile import Reconciler
from exchange.recovery.replay import Replayer
from tests.integration.exchange.harness import Context, Exchange, InProcessTokenizer, body_of, http_request
from tests.integration.exchange.recovery_harness import LONG_SECONDS, listing

KEYS = tuple(f"any-order-{number:04}" for number in range(6))
ROUTES = ("/v1/ingest", "/v2/ingest")
STALLED_AFTER_SECONDS = 20.0
FETCH_MS = 40


class Unbalanced(AssertionError):
    """The stores contradict the promises made to clients."""


class Crash(BaseException):
    """The death of the environment: `except Exception` must not catch it."""


@dataclass(frozen=True)
class Request:
    """A client's request. A key is always sent by the same route; every body differs from every other."""

    key: str
    variant: int

    @property
    def route(self) -> str:
        return ROUTES[KEYS.index(self.key) % 2]

    @property
    def is_readable(self) -> bool:
        """False for the last variant, which breaks the partner's contract: it is accepted and becomes a dead letter."""
        return self.variant < 2

    @property
    def body(self) -> bytes:
        payload = {**_PAYLOAD, "encounter_id": f"{self.key}-{self.variant}"} if self.is_readable else {}
        person = {"given_name": "Sam", "family_name": "Lee", "dob": f"199{self.variant}-01-01"}
        return body_of(self.route[2], "encounter", "partnerB.v1", payload, person)


_PAYLOAD = {
    "encounter_id": "",
    "member_id": "B1",
    "billing_provider_npi": "1234567893",
    "place_of_service": "21",
    "admission_date": "20240305",
    "admission_hour": "19",
    "diagnosis_codes": ["E119"],
}


@dataclass(frozen=True)
class Delivered:
    """A record of a topic as the event source delivers it."""

    topic: str
    offset: int
    key: bytes
    value: bytes


class Interrupter:
    """Raises an error once, at a given point."""

    def __init__(self) -> None:
        self._point: str | None = None
        self._error: type[BaseException] = Crash

    @contextmanager
    def at(self, point: str | None, error: type[BaseException] = Crash) -> Iterator[None]:
        self._point, self._error = point, error
        try:
            yield
        finally:
            self._point = None

    def reach(self, point: str) -> None:
        if self._point == point:
            self._point = None
            if self._error is DependencyUnavailable:
                raise DependencyUnavailable("away for a moment")
            raise self._error


class InterruptedObjects(Objects):
    def __init__(self, exchange: Exchange, interrupter: Interrupter) -> None:
        super().__init__(exchange.store())
        self._interrupter = interrupter

    def put(self, key: str, body: bytes, metadata: Mapping[str, str]) -> None:
        self._interrupter.reach("before the put")
        super().put(key, body, metadata)
        self._interrupter.reach("after the put")

    def get_many(
        self, keys: Sequence[str], *, limit_bytes: int
    ) -> list[StoredObject | ObjectOverLimit | None]:
        self._interrupter.reach("before the get")
        return super().get_many(keys, limit_bytes=limit_bytes)


class InterruptedBus(Bus):
    def __init__(self, brokers: str, interrupter: Interrupter) -> None:
        super().__init__([brokers])
        self._interrupter = interrupter

    def produce(self, messages: Sequence[Message]) -> list[str | None]:
        self._interrupter.reach("before the produce")
        outcomes = super().produce(messages)
        self._interrupter.reach("after the produce")
        return outcomes


class InterruptedVersions(ObjectVersions):
    def __init__(self, exchange: Exchange, interrupter: Interrupter) -> None:
        versions = exchange.versions()
        super().__init__(versions._client, versions.bucket)
        self._interrupter = interrupter

    def delete_all(self, key: str) -> int:
        self._interrupter.reach("before the delete")
        return super().delete_all(key)


class InterruptedTokenizer(InProcessTokenizer):
    def __init__(self, interrupter: Interrupter) -> None:
        super().__init__()
        self._interrupter = interrupter

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        answer = super().invoke(payload)
        self._interrupter.reach("before the commit")
        return answer


MakePublisher = Callable[[Database, Bus], Publisher]


class Model:
    """The answers that clients got. The whole specification: one key, one record; one record, one outcome."""

    def __init__(self) -> None:
        self.promised: dict[Request, Receipt] = {}
        self.erased: dict[Request, str] = {}
        self.begun: set[str] = set()
        """Records whose ingest died between the PUT of the object and the commit."""
        self.deaths_under_work = 0

    def owner_of(self, key: str) -> Request | None:
        return next((request for request in (*self.promised, *self.erased) if request.key == key), None)

    def answered_ids(self) -> set[str]:
        """Return every record that a client ever got an answer about."""
        return {receipt.record_id for receipt in self.promised.values()} | set(self.erased.values())


class AnyOrder:
    """The exchange on a real database, bucket and broker; a crash replaces the objects that are its environments."""

    def __init__(
        self, exchange: Exchange, topics: Mapping[str, str], brokers: str, make_publisher: MakePublisher
    ) -> None:
        """Create the exchange; `topics` are by event version, each with one partition and empty."""
        self.exchange = exchange
        self.model = Model()
        self.interrupter = Interrupter()
        self._topics = topics
        self._brokers = brokers
        self._listing = listing(exchange)
        self._versions = InterruptedVersions(exchange, self.interrupter)
        self._make_publisher = make_publisher
        self._consumer = KafkaConsumer(
            bootstrap_servers=[brokers],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=10,
        )
        self._consumer.assign([TopicPartition(topic, 0) for topic in topics.values()])
        self._requests = itertools.count()
        self._waiting: deque[Delivered] = deque()
        self.delivered: list[Delivered] = []
        self._databases: list[Database] = []
        self._start_environments()

    def close(self) -> None:
        self._end_environments()
        self._consumer.close()

    def send(self, request: Request) -> Receipt:
        """Send a request as a client, with a new correlation id; raise what ingest raises."""
        correlation_id = f"any-order-{next(self._requests):06}"
        message = http_request(
            request.body, key=request.key, route=request.route, correlation_id=correlation_id
        )
        return self._intake.submit(message, cast(LambdaContext, Context()))

    def publish(self) -> None:
        self._publisher.run(0, Deadline.after(60))

    def replay(self) -> None:
        """Replay every object of the bucket."""
        job_id = self._replayer.start({"mode": "emit"})
        progress = self._replayer.run(job_id, 0, Deadline.after(LONG_SECONDS))
        _expect(progress.done, "a replay did not come to its end")

    def reconcile(self, *, repair: bool) -> None:
        """Reconcile everything without a grace period, so that records in flight count as stuck."""
        asked = {"since": "2020-01-01T00:00:00Z", "grace_seconds": 0, "repair": repair}
        progress = self._reconciler.run(self._reconciler.start(asked), 0, Deadline.after(LONG_SECONDS))
        _expect(progress.done, "a reconcile did not come to its end")

    def erase(self, record_id: str) -> None:
        """Erase a record, as an operator does when a partner asks for it."""
        self._eraser.erase([UUID(record_id)], uuid4(), request_id="any-order")

    def redrive(self) -> None:
        """Redrive every dead letter."""
        self._redriver.redrive(LetterSelection(self._redriver.now()), limit=100, request_id="any-order")

    def deliver(self, limit: int) -> None:
        """Deliver up to `limit` events to normalize as the event source does; commit the offsets when it succeeds."""
        self.fetch()
        batch = self.next_batch(limit)
        again = self.normalize(batch)
        for _ in batch:
            self._waiting.popleft()
        self._waiting.extendleft(reversed(again))

    def next_batch(self, limit: int) -> list[Delivered]:
        """Return the next events of the event source, whose offsets are not committed yet."""
        return [self._waiting[number] for number in range(min(limit, len(self._waiting)))]

    def normalize(self, batch: Sequence[Delivered]) -> list[Delivered]:
        """Invoke normalize once; return the events that it asks for again."""
        if not batch:
            return []
        report = self._normalizer.normalize(_event(batch))
        asked = {(delivery.topic, delivery.offset) for delivery in report.retry}
        return [delivered for delivered in batch if (delivered.topic, delivered.offset) in asked]

    def crash(self, work: Callable[[], object], point: str | None) -> bool:
        """Do the work until the environment dies at `point`, or at its end; return whether it got to the end."""
        with self.interrupter.at(point):
            try:
                work()
            except Crash:
                return False
            finally:
                self._end_environments()
                self._start_environments()
        return True

    def object_ids(self) -> set[str]:
        """Return the records of all raw objects."""
        pages = obstore.list(self.exchange.store())
        return {item["path"].rpartition("/")[2].removesuffix(".json") for page in pages for item in page}

    def drain(self, *, stalled_after_seconds: float = STALLED_AFTER_SECONDS) -> None:
        """Publish and deliver until nothing is left to do. Raises Unbalanced when something never ends."""
        unsettled, moved_at = -1, time.monotonic()
        while True:
            self.publish()
            self.deliver(50)
            # Retain finishes an erasure that died between the tombstone and the bucket.
            self._eraser.delete_raw(None, deadline=Deadline.after(LONG_SECONDS))
            ((unpublished, left),) = self.exchange.rows(
                "SELECT (SELECT count(*) FROM outbox_events WHERE published_at IS NULL),"
                " (SELECT count(*) FROM raw_object_manifest LEFT JOIN processing_stage_state USING (record_id)"
                "  WHERE (state IS NULL OR state NOT IN ('succeeded', 'dlq')) AND record_id <> ALL (%s::uuid[]))",
                list(self.model.erased.values()),
            )
            if not unpublished and not left and not self._waiting:
                return
            if left != unsettled:
                unsettled, moved_at = left, time.monotonic()
            if time.monotonic() - moved_at > stalled_after_seconds:
                raise Unbalanced(f"{left} accepted records are neither canonical nor dead")

    def check(self) -> None:
        """Compare the stores with the model once everything is drained. Raises Unbalanced."""
        promised = {receipt.record_id: request for request, receipt in self.model.promised.items()}
        erased = set(self.model.erased.values())
        canonical, manifest = self._ids("canonical_records"), self._ids("raw_object_manifest")
        letters = self._column("SELECT record_id FROM dead_letters WHERE closed_at IS NULL")
        dead = set(letters)
        # A request without an answer left only an object, or replay or reconcile finished it completely.
        invited = promised.keys() | (self.model.begun & manifest)
        readable = {record_id for record_id, request in promised.items() if request.is_readable}
        # The ledger cannot distinguish a record that kills environments from one that was often killed.
        may_die = readable if self.model.deaths_under_work >= ATTEMPT_LIMIT else set()
        _expect(not erased & (canonical | dead | manifest | self.object_ids()), "an erased record is back")
        _expect(len(letters) == len(dead), "a record died twice")
        _expect(not canonical & dead, "a record is canonical and dead")
        _expect(canonical == self._whole(), "a record is canonical in part only")
        _expect(self._visits_are_single(), "one visit is canonical twice")
        _expect(canonical | dead == invited, "what was accepted is not what has ended")
        _expect(manifest == invited, "what was accepted is not what the manifest holds")
        _expect(not canonical & (promised.keys() - readable), "a record is canonical that no mapping reads")
        _expect(readable - canonical <= may_die, "a good record is dead")
        for request, receipt in self.model.promised.items():
            _expect(self.send(request) == receipt, "the same request again got another answer")
        for request in self.model.erased:
            _expect(self.is_gone(request), "an erased record was accepted again")

    def is_gone(self, request: Request) -> bool:
        """Tell whether ingest answers that the request's record was erased."""
        try:
            self.send(request)
        except RecordErased:
            return True
        return False

    def check_so_far(self) -> None:
        """Check the invariants that hold at any moment. Raises Unbalanced."""
        promised = {receipt.record_id for receipt in self.model.promised.values()}
        _expect(
            self._ids("canonical_records") <= promised | self.model.begun,
            "a record is canonical that nobody was promised and nobody began",
        )

    def _whole(self) -> set[str]:
        return set(
            self._column(
                "SELECT DISTINCT record_id FROM canonical_records JOIN canonical_encounters USING (record_id)"
                " JOIN patient_tokens USING (record_id)"
            )
        )

    def _visits_are_single(self) -> bool:
        ((rows, visits),) = self.exchange.rows(
            "SELECT count(*), count(DISTINCT encounter_token) FROM canonical_encounters"
        )
        return bool(rows == visits)

    def _ids(self, table: str) -> set[str]:
        return set(self._column(f"SELECT record_id FROM {table}"))

    def _column(self, statement: str) -> list[str]:
        return [str(value) for (value,) in self.exchange.rows(statement)]

    def fetch(self) -> None:
        """Fetch the records that have arrived on the topics."""
        for records in self._consumer.poll(timeout_ms=FETCH_MS).values():
            for record in records:
                found = Delivered(record.topic, record.offset, record.key or b"", record.value or b"")
                self._waiting.append(found)
                self.delivered.append(found)

    def _start_environments(self) -> None:
        exchange, interrupter = self.exchange, self.interrupter
        roles = ("ingest", "outbox", "normalize", "replay", "reconcile", "redrive", "erase")
        self._databases = [exchange.connect_as(f"exchange_{role}") for role in roles]
        ingest, outbox, normalize, replay, reconcile, redrive, erase = self._databases
        objects = InterruptedObjects(exchange, interrupter)
        settings = Settings(
            env="local",
            raw_bucket=exchange.bucket,
            topic_record_ingested_v1=self._topics["1"],
            topic_record_ingested_v2=self._topics["2"],
        )
        self._intake = Intake(ingest, objects, settings)
        self._bus = InterruptedBus(self._brokers, interrupter)
        self._publisher = self._make_publisher(outbox, self._bus)
        reader = RawReader(objects, PartnerRegistry(normalize), exchange.bucket)
        canonicalizer = Canonicalizer(reader, InterruptedTokenizer(interrupter))
        contracts = {topic: f"events/record.ingested.v{version}" for version, topic in self._topics.items()}
        self._normalizer = Normalizer(normalize, canonicalizer, contracts)
        self._replayer = Replayer(
            replay,
            self._listing,
            RawReader(objects, PartnerRegistry(replay), exchange.bucket),
            self._topics,
        )
        self._reconciler = Reconciler(
            reconcile,
            self._listing,
            RawReader(objects, PartnerRegistry(reconcile), exchange.bucket),
            exchange.bucket,
            self._topics,
        )
        self._redriver = DeadLetters(
            redrive,
            RawReader(self.exchange.objects(), PartnerRegistry(redrive), self.exchange.bucket),
            self._topics,
        )
        self._eraser = Eraser(erase, self._versions, lambda: InterruptedTokenizer(interrupter))

    def _end_environments(self) -> None:
        # A death closes the connections, which undoes everything that was not committed.
        for database in self._databases:
            database.close()
        with closing(self._bus):
            environment_id.cache_clear()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Unbalanced(otherwise)


def _event(batch: Sequence[Delivered]) -> dict[str, Any]:
    records: dict[str, list[dict[str, Any]]] = {}
    for delivered in batch:
        records.setdefault(f"{delivered.topic}-0", []).append(
            {
                "topic": delivered.topic,
                "partition": 0,
                "offset": delivered.offset,
                "key": b64encode(delivered.key).decode(),
                "value": b64encode(delivered.value).decode(),
            }
        )
    event: dict[str, Any] = json.loads(json.dumps({"records": records}))
    return event
