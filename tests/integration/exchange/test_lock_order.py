"""Two writers of the same records, in any orders of theirs, wait for each other and never deadlock.

Each race is forced: a third connection holds the middle record until both writers wait for it. If they did not keep to
one order, one would have locked the record below and the other the one above. docs/recovery.md defines the order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import combinations_with_replacement
from typing import Any
from uuid import UUID

import psycopg2
import pytest

from exchange.errors import RecordNotReady
from exchange.intake.model import Submission
from exchange.ledger import attempts as ledger
from exchange.ledger.attempts import Settlement
from exchange.ledger.model import Attempt, Delivery, Standing, Subject
from exchange.outbox import store as outbox
from exchange.outbox.model import shard_of
from exchange.platform.db import Database
from exchange.platform.deadline import Deadline
from exchange.platform.environment import environment_id
from exchange.recovery import findings
from exchange.recovery.findings import Verdict
from exchange.recovery.jobs import Jobs
from exchange.recovery.rules import Finding
from exchange.recovery.store import QUERIES
from tests.integration.exchange.harness import (
    TOPICS,
    Exchange,
    event_id_of,
    sha256,
    submission,
)
from tests.integration.exchange.recovery_harness import reconciler, replay
from tests.integration.exchange.test_retention import retain

# Neither the order in which the records are delivered nor that of their table is the order of their ids.
RECORDS = sorted(
    (submission(f"key-of-a-raced-one-{number}") for number in range(3)),
    key=lambda record: record.record_id,
    reverse=True,
)
LOW, MIDDLE, HIGH = (record.record_id for record in reversed(RECORDS))
DELIVERIES = [Delivery(TOPICS["2"], 0, offset, b"{}") for offset in range(3)]
WAIT_SECONDS = 30.0

Writer = Callable[[Exchange], object]


@contextmanager
def held(exchange: Exchange, statement: str, *parameters: object) -> Iterator[None]:
    """Hold the locks of a statement in a third connection."""
    with closing(psycopg2.connect(exchange.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        yield
        connection.rollback()


def wait_for_waiting(exchange: Exchange, number: int) -> None:
    """Wait until `number` connections wait for a lock."""
    waiting = (
        "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"
    )
    deadline = time.monotonic() + WAIT_SECONDS
    while exchange.rows(waiting) < [(number,)]:
        assert time.monotonic() < deadline, "they do not meet"
        time.sleep(0.01)


def race(exchange: Exchange, writers: tuple[Writer, Writer], gate: str, *parameters: object) -> list[Any]:
    """Run both writers up to the gate, one after the other, then open it; raise what they raise."""
    with ThreadPoolExecutor(2) as threads:
        with held(exchange, gate, *parameters):
            running = []
            for number, writer in enumerate(writers, 1):
                running.append(threads.submit(writer, exchange))
                wait_for_waiting(exchange, number)
        return [done.result(timeout=90) for done in running]


def begin_attempts(exchange: Exchange) -> None:
    subjects = [Subject(r.record_id, event_id_of(r), d) for r, d in zip(RECORDS, DELIVERIES, strict=True)]
    with exchange.connect_as("exchange_normalize").transaction() as transaction:
        ledger.start_attempts(transaction, subjects)


def write_outcomes(exchange: Exchange) -> None:
    settle(exchange.connect_as("exchange_normalize"), *RECORDS)


def settle(database: Database, *records: Submission) -> None:
    """Settle records as a batch does, in the order of their deliveries."""
    with database.transaction() as transaction:
        asked = [record.record_id for record in records]
        rows = transaction.execute(
            "SELECT record_id, started_at FROM processing_stage_state WHERE record_id = ANY (%(asked)s)",
            {"asked": asked},
        )
        begun: dict[UUID, Any] = dict(rows)
    failure = RecordNotReady("raw_object.key: the object is not there", stage="fetch_raw_object")
    settlements = [
        Settlement(DELIVERIES[0], {}, Attempt(record_id, Standing.STARTED, 1, begun[record_id]), failure)
        for record_id in asked
    ]
    with database.transaction() as transaction:
        ledger.settle(transaction, settlements)


def give_attempts_back(exchange: Exchange) -> None:
    with exchange.connect_as("exchange_normalize").transaction() as transaction:
        ledger.give_back_attempts(transaction, [record.record_id for record in RECORDS])


def replay_all(exchange: Exchange) -> None:
    replay(exchange)


def repair_all(exchange: Exchange) -> None:
    worker = reconciler(exchange)
    asked = {"since": "2020-01-01T00:00:00Z", "grace_seconds": 0, "repair": True}
    assert worker.run(worker.start(asked), 0, Deadline.after(600.0)).done


def erase_one(exchange: Exchange) -> None:
    exchange.eraser().erase([MIDDLE], UUID(int=1), request_id="r")


STATES: dict[Writer, str] = {
    begin_attempts: "failed_retryable",
    write_outcomes: "running",
    give_attempts_back: "running",
    replay_all: "succeeded",
    repair_all: "succeeded",
    erase_one: "running",
}


@pytest.fixture
def raced(exchange: Exchange) -> Exchange:
    """Return an exchange with three records begun by this environment, from the highest id down."""
    for record in RECORDS:
        exchange.put(record)
        in_manifest(exchange, record)
        begun(exchange, record)
    return exchange


def in_manifest(exchange: Exchange, record: Submission) -> None:
    exchange.rows(
        "INSERT INTO raw_object_manifest VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        *(record.record_id, record.partner_id, record.source, record.route, record.record_kind),
        *(record.schema_hint, exchange.bucket, record.object_key, record.body_sha256, len(record.body)),
        *(record.correlation_id, record.occurred_at),
    )


def begun(exchange: Exchange, record: Submission) -> None:
    exchange.rows(
        "INSERT INTO processing_stage_state (record_id, stage, state, attempts, event_id, environment_id)"
        " VALUES (%s, 'canonicalize', 'running', 1, %s, %s)",
        *(record.record_id, event_id_of(record), environment_id()),
    )
    exchange.rows(
        "INSERT INTO processing_attempts (record_id, stage, started_at, state, event_id, topic, kafka_partition,"
        " kafka_offset, environment_id) SELECT record_id, stage, started_at, state, event_id, 't', 0, 0,"
        " environment_id FROM processing_stage_state WHERE record_id = %s",
        record.record_id,
    )


STATE_OF_MIDDLE = "SELECT FROM processing_stage_state WHERE record_id = %s FOR UPDATE"


PAIRS = [
    pair
    for pair in combinations_with_replacement(STATES, 2)
    # an attempt that has ended is not given back
    if give_attempts_back not in pair or not {replay_all, repair_all} & set(pair)
]


@pytest.mark.parametrize("writers", PAIRS, ids=lambda pair: f"{pair[0].__name__} and {pair[1].__name__}")
def test_two_writers_of_the_same_records_get_through(raced: Exchange, writers: tuple[Writer, Writer]) -> None:
    for writer in writers:
        # replay and reconcile only touch records that succeeded and were lost; the others touch any
        if STATES[writer] == "succeeded":
            raced.rows("UPDATE processing_stage_state SET state = 'succeeded'")
    race(raced, writers, STATE_OF_MIDDLE, MIDDLE)


def test_an_outcome_that_comes_too_late_for_an_erased_record_gets_through(raced: Exchange) -> None:
    raced.rows("UPDATE processing_stage_state SET state = 'erased' WHERE record_id = %s", LOW)
    highest, _, lowest = RECORDS

    def write_both(exchange: Exchange) -> None:
        settle(exchange.connect_as("exchange_normalize"), highest, lowest)

    gate = "SELECT FROM processing_attempts WHERE record_id = %s FOR UPDATE"
    race(raced, (write_both, begin_attempts), gate, HIGH)


def test_two_batches_with_the_same_unreadable_deliveries_get_through(exchange: Exchange) -> None:
    def bury(partitions: Sequence[int]) -> Writer:
        records = {
            f"{TOPICS['2']}-{number}": [
                {"topic": TOPICS["2"], "partition": number, "offset": 7, "value": "e30="}
            ]
            for number in partitions
        }
        return lambda exchange: exchange.normalizer().normalize({"records": records})

    gate = (
        "INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, event_sha256, stage, error_type,"
        " error_message, attempts, failed_at) VALUES (%s, 1, 7, %s, 'parse_event', 'e', 'e', 0, now())"
    )
    race(exchange, (bury([0, 1, 2]), bury([2, 1, 0])), gate, TOPICS["2"], sha256(b"{}"))
    assert exchange.count("dead_letters") == 3


def test_an_erasure_and_a_publisher_with_events_of_one_record_get_through(raced: Exchange) -> None:
    for number in range(2):
        raced.rows(
            "INSERT INTO outbox_events (shard, topic, key, value) VALUES (%s, 't', %s, %s)",
            *(shard_of(str(MIDDLE)), str(MIDDLE), bytes([number])),
        )

    def publish(exchange: Exchange) -> None:
        """Publish two events, of which the broker refuses the second."""
        with exchange.connect_as("exchange_outbox").transaction() as transaction:
            events = outbox.take_pending(transaction, 10)
            outbox.mark_outcomes(transaction, events, [None, "it was away"])

    gate = "SELECT FROM outbox_events WHERE outbox_id = (SELECT min(outbox_id) FROM outbox_events) FOR UPDATE"
    race(raced, (erase_one, publish), gate)
    assert raced.count("outbox_events") == 0


def test_two_looks_at_the_same_findings_get_through(exchange: Exchange) -> None:
    def look(*record_ids: UUID) -> Writer:
        def write(exchange: Exchange) -> None:
            verdicts = [
                Verdict(record_id, Finding.STUCK_OUTBOX, None, None, hash_known=True)
                for record_id in record_ids
            ]
            with exchange.connect_as("exchange_reconcile").transaction() as transaction:
                findings.write(transaction, verdicts)

        return write

    look(HIGH, MIDDLE, LOW)(exchange)
    gate = "SELECT FROM reconcile_findings WHERE record_id = %s FOR UPDATE"
    race(exchange, (look(LOW, MIDDLE, HIGH), look(HIGH, MIDDLE, LOW)), gate, MIDDLE)


def test_of_two_last_shards_that_end_side_by_side_one_ends_the_job(exchange: Exchange) -> None:
    jobs = [Jobs(exchange.connect_as("exchange_replay"), "replay") for _ in range(2)]
    job_id = jobs[0].start({"mode": "emit"}, 2)
    first, second = (jobs[0].read(job_id, shard) for shard in range(2))
    with ThreadPoolExecutor(1) as thread:
        # the first shard's transaction, before its commit
        with exchange.connect_as("exchange_replay").transaction() as transaction:
            transaction.execute(QUERIES["finish_shard"], {"job_id": job_id, "shard": first.shard.number})
            ending = thread.submit(jobs[1].finish, second)
            wait_for_waiting(exchange, 1)
        ending.result(timeout=90)
    assert exchange.rows("SELECT state FROM job_runs") == [("succeeded",)]


@pytest.mark.parametrize(
    ("table", "make", "statement"),
    [
        (
            *("processing_attempts", "UPDATE processing_attempts SET started_at = 'epoch'"),
            "SELECT FROM processing_attempts WHERE record_id = %s FOR UPDATE",
        ),
        (
            "dead_letters",
            "INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, record_id, stage, error_type,"
            " error_message, attempts, failed_at, state, closed_at)"
            " SELECT 't', 0, 0, record_id, 'normalize', 'e', 'e', 1, 'epoch', 'resolved', 'epoch'"
            " FROM processing_stage_state",
            "SELECT FROM dead_letters WHERE record_id = %s FOR UPDATE",
        ),
        (
            "idempotency_keys",
            "INSERT INTO idempotency_keys SELECT record_id, 'partnerA', 'r', 'b', '{}', 'epoch', 'epoch'"
            " FROM processing_stage_state",
            "SELECT FROM idempotency_keys WHERE key_hash = %s::text FOR UPDATE",
        ),
    ],
    ids=lambda part: part if part.isidentifier() else "",
)
def test_retention_passes_over_what_is_in_somebody_s_hands(
    raced: Exchange, table: str, make: str, statement: str
) -> None:
    raced.rows(make)
    with held(raced, statement, MIDDLE):
        retain(raced)
        assert raced.count(table) == 1
    retain(raced)
    assert raced.count(table) == 0
