"""An erased record is gone everywhere, and no work in flight brings it back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg2 import errors

from exchange.dead_letters.model import LetterSelection
from exchange.erasure.model import ERASURE_RECORDS
from exchange.erasure.service import Eraser
from exchange.errors import ContractViolation, DependencyUnavailable, RecordErased
from exchange.intake.model import Submission
from exchange.ledger import attempts as ledger
from exchange.ledger.attempts import Settlement
from exchange.ledger.model import Delivery, Subject
from exchange.partners.service import PartnerRegistry
from exchange.platform.deadline import Deadline
from exchange.platform.versions import ObjectVersion, ObjectVersions
from exchange.raw.reader import RawReader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.deliveries import read_event
from exchange.records.store import CanonicalEntry, write_canonical
from tests.integration.exchange.harness import (
    CONTRACT_OF_TOPIC,
    SAM,
    TOPICS,
    Context,
    Exchange,
    InProcessTokenizer,
    ObjectsThatThen,
    body_of,
    event_id_of,
    example,
    http_request,
    kafka_event,
    submission,
)
from tests.integration.exchange.recovery_harness import CANONICAL, reconcile, redriver

PERSON = SAM | {"family_name": "Zqerased"}
BODY = body_of("2", "claim", "partnerA.v2", example("partnerA.v2", "claim"), PERSON)
ROUTE = "/v2/ingest"
LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024


class TokenizerThatThen(InProcessTokenizer):
    def __init__(self, then: Any) -> None:
        super().__init__()
        self._then = then

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        answer = super().invoke(payload)
        self._then()
        return answer


def submit(exchange: Exchange, key: str = "key-00000001", body: bytes = BODY, **parts: Any) -> UUID:
    intake = exchange.intake(**parts)
    receipt = intake.submit(http_request(body, key=key, route=ROUTE), Context())  # type: ignore[arg-type]
    return UUID(receipt.record_id)


def events_of(exchange: Exchange, record_id: UUID) -> list[bytes]:
    rows = exchange.rows(
        "SELECT value FROM outbox_events WHERE key = %s AND topic NOT LIKE '%%.dlq' ORDER BY outbox_id",
        str(record_id),
    )
    return [bytes(value) for (value,) in rows]


def submitted_and_canonical(exchange: Exchange, key: str = "key-00000001", body: bytes = BODY) -> UUID:
    record_id = submit(exchange, key, body)
    assert exchange.normalizer().normalize(kafka_event(*events_of(exchange, record_id))).canonical == 1
    return record_id


def erase(
    exchange: Exchange, *record_ids: UUID, eraser: Eraser | None = None, **event: Any
) -> dict[str, Any]:
    asked = {"record_ids": [str(record_id) for record_id in record_ids], **event}
    return (eraser or exchange.eraser()).answer(
        asked, request_id="the-request-id", deadline=Deadline.after(120)
    )


def objects(exchange: Exchange) -> list[str]:
    return [version.key for version in exchange.versions().find("")]


def rows_about(exchange: Exchange, record_id: UUID) -> set[str]:
    """Return every table that still has rows about the record."""
    tables = exchange.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {
        table
        for (table,) in tables
        if exchange.rows(f"SELECT 1 FROM {table} AS t WHERE t::text LIKE %s", f"%{record_id}%")
    }


# The state says "erased", the attempts name the runs, the audit log records the erasure; none identifies the person.
MAY_REMAIN = {"tombstones", "processing_stage_state", "processing_attempts", "audit_log"}


@pytest.mark.parametrize("versioned", [False, True], ids=["a plain bucket", "a versioned bucket"])
def test_an_erased_record_is_gone_everywhere_and_the_receipt_says_so(
    exchange: Exchange, s3_client: Any, versioned: bool
) -> None:
    if versioned:
        s3_client.put_bucket_versioning(Bucket=exchange.bucket, VersioningConfiguration={"Status": "Enabled"})
    record_id = submitted_and_canonical(exchange)
    neighbour = submitted_and_canonical(exchange, "key-00000002")
    (key,) = (key for key in objects(exchange) if str(record_id) in key)
    if versioned:
        s3_client.put_object(Bucket=exchange.bucket, Key=key, Body=BODY)
        s3_client.delete_object(Bucket=exchange.bucket, Key=key)

    receipt = erase(exchange, record_id)["receipt"]
    assert [key for key in objects(exchange) if str(record_id) in key] == []
    assert rows_about(exchange, record_id) == MAY_REMAIN
    assert receipt["complete"]
    assert receipt["totals"] == {
        "records": 1,
        "object_versions": 3 if versioned else 1,
        "rows": {
            "canonical_claim_lines": len(example("partnerA.v2", "claim")["item"]),
            "canonical_claims": 1,
            "canonical_records": 1,
            "idempotency_keys": 1,
            "outbox_events": 1,
            "patient_tokens": 1,
            "raw_object_manifest": 1,
        },
    }
    assert "7 days" in receipt["statement"]
    assert "Zq" not in json.dumps(receipt)
    # computed from stored state: the same bytes when it is requested again
    again = erase(exchange, record_id, erasure_id=receipt["erasure_id"])
    assert (again["receipt"], again["already_erased"], again["erased"]) == (receipt, [], 0)
    another = erase(exchange, record_id)
    assert (another["already_erased"], another["receipt"]["totals"]["records"]) == ([str(record_id)], 0)
    assert exchange.rows("SELECT outcome, correlation_id FROM audit_log WHERE action = 'erase'") == [
        ("erased", "the-request-id")
    ]
    # and no other record is affected
    assert [key for key in objects(exchange) if str(neighbour) in key]
    assert "canonical_records" in rows_about(exchange, neighbour)


def test_a_receipt_that_somebody_keeps_is_not_changed_by_erasing_again_what_is_gone(
    exchange: Exchange,
) -> None:
    record_id = submitted_and_canonical(exchange)
    ((key,),) = exchange.rows("SELECT object_key FROM raw_object_manifest")
    kept = erase(exchange, record_id)["receipt"]
    assert erase(exchange, record_id)["already_erased"] == [str(record_id)]
    eraser, erasure_id = exchange.eraser(), UUID(kept["erasure_id"])
    assert eraser.read_receipt(erasure_id) == kept
    # an object restored by hand is deleted again, and the receipt says so
    exchange.objects().put(key, BODY, {})
    erase(exchange, record_id, case="TICKET-124")
    assert objects(exchange) == []
    assert eraser.read_receipt(erasure_id)["totals"]["object_versions"] == 2
    # the audit log records who deleted it, but not that somebody read the receipt
    audited = "SELECT outcome, partner_id, record_id, correlation_id, case_ref FROM audit_log WHERE action = 'erase'"
    assert exchange.rows(f"{audited} ORDER BY audit_id") == [
        ("erased", "partnerA", record_id, "the-request-id", None),
        ("raw_deleted", "partnerA", record_id, "the-request-id", "TICKET-124"),
    ]


def test_rows_of_an_erased_record_that_a_backup_brought_back_are_erased_again_and_counted(
    exchange: Exchange,
) -> None:
    record_id = submitted_and_canonical(exchange)
    kept = ("raw_object_manifest", "canonical_records", "patient_tokens", "canonical_claims")
    for table in kept:
        exchange.rows(f"CREATE TABLE backup_{table} AS SELECT * FROM {table}")
    first = erase(exchange, record_id)["receipt"]
    for table in kept:
        exchange.rows(f"INSERT INTO {table} SELECT * FROM backup_{table}")
        exchange.rows(f"DROP TABLE backup_{table}")
    assert reconcile(exchange)["erased_not_gone"] == 1
    assert erase(exchange, record_id)["already_erased"] == [str(record_id)]
    assert rows_about(exchange, record_id) == MAY_REMAIN | {"reconcile_findings"}
    receipt = exchange.eraser().read_receipt(UUID(first["erasure_id"]))
    twice = dict.fromkeys(kept, 2)
    assert receipt["totals"]["rows"] == first["totals"]["rows"] | twice
    with pytest.raises(RecordErased):
        submit(exchange)


def test_an_erasure_that_nobody_began_has_no_receipt(exchange: Exchange) -> None:
    with pytest.raises(ContractViolation, match="erasure_id: there is no such erasure"):
        exchange.eraser().answer({"erasure_id": str(uuid4())}, request_id="r", deadline=Deadline.after(60))


def test_a_dry_run_says_which_records_nobody_knows(exchange: Exchange) -> None:
    record_id, unknown, erased = (
        submitted_and_canonical(exchange),
        uuid4(),
        submitted_and_canonical(exchange, "key-00000002"),
    )
    erase(exchange, erased)
    answer = erase(exchange, record_id, unknown, erased, dry_run=True)
    assert answer == {"record_ids": sorted(map(str, (record_id, erased))), "unknown": [str(unknown)]}
    assert exchange.count("canonical_records") == 1


def test_an_erasure_takes_as_many_records_as_its_receipt_can_name_and_no_more(exchange: Exchange) -> None:
    record_id, erasure_id = submitted_and_canonical(exchange), str(uuid4())
    # every table, with larger numbers than any record has
    most = dict.fromkeys((*CANONICAL, *MAY_REMAIN, "raw_object_manifest", "idempotency_keys"), 10**6)
    fill = (
        "INSERT INTO tombstones (record_id, erasure_id, partner_id, bucket, object_key, deleted_rows, raw_deleted_at)"
        " SELECT gen_random_uuid(), %s, 'partnerA', 'b', 'k', %s, clock_timestamp() FROM generate_series(1, %s)"
    )
    exchange.rows(fill + " RETURNING 1", erasure_id, json.dumps(most), ERASURE_RECORDS - 1)
    answer = erase(exchange, record_id, erasure_id=erasure_id)
    assert (answer["erased"], answer["receipt"]["totals"]["records"]) == (1, ERASURE_RECORDS)
    assert len(json.dumps(answer)) < LAMBDA_ANSWER_BYTES
    # the same record again is accepted; another one exceeds the limit and is not erased
    assert erase(exchange, record_id, erasure_id=erasure_id)["erased"] == 0
    another = submitted_and_canonical(exchange, "key-00000002")
    with pytest.raises(ContractViolation, match="5,000 records at most"):
        erase(exchange, another, erasure_id=erasure_id)
    assert "canonical_records" in rows_about(exchange, another)
    # more than an answer can hold
    exchange.rows(fill + " RETURNING 1", erasure_id, json.dumps(most), 2 * ERASURE_RECORDS)
    receipt = exchange.eraser().read_receipt(UUID(erasure_id))
    assert len(json.dumps(receipt)) > LAMBDA_ANSWER_BYTES


def test_the_receipt_s_hash_is_over_what_it_says(exchange: Exchange) -> None:
    import hashlib

    receipt = erase(exchange, submitted_and_canonical(exchange))["receipt"]
    said = {name: value for name, value in receipt.items() if name != "sha256"}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert receipt["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_the_key_of_an_erased_record_is_gone_with_any_body(exchange: Exchange) -> None:
    erase(exchange, submitted_and_canonical(exchange))
    for body in (BODY, BODY.replace(b"Zqerased", b"Zqother")):
        with pytest.raises(RecordErased) as refused:
            submit(exchange, body=body)
        assert refused.value.field == "Idempotency-Key"
    assert objects(exchange) == []
    assert exchange.count("idempotency_keys") == exchange.count("raw_object_manifest") == 0
    assert (
        exchange.rows("SELECT outcome, status FROM audit_log WHERE status > 400")
        == [("record_erased", 410)] * 2
    )
    # another key makes another record
    assert submit(exchange, "key-00000002")


def test_the_key_of_an_erased_record_is_gone_though_its_row_was_pruned_or_lost_before(
    exchange: Exchange,
) -> None:
    record_id = submitted_and_canonical(exchange)
    exchange.rows("DELETE FROM idempotency_keys")
    erase(exchange, record_id)
    for body in (BODY, BODY.replace(b"Zqerased", b"Zqother")):
        with pytest.raises(RecordErased):
            submit(exchange, body=body)


def test_an_expired_key_that_became_another_record_s_is_that_record_s(exchange: Exchange) -> None:
    first = submitted_and_canonical(exchange)
    exchange.rows("UPDATE idempotency_keys SET expires_at = now() - interval '1 day'")
    other = BODY.replace(b"Zqerased", b"Zqother")
    second = submit(exchange, body=other)
    erase(exchange, first)
    assert submit(exchange, body=other) == second
    with pytest.raises(RecordErased):
        submit(exchange, body=BODY)


def test_an_event_that_comes_after_the_erasure_writes_nothing(exchange: Exchange) -> None:
    record_id = submit(exchange)
    (value,) = events_of(exchange, record_id)
    erase(exchange, record_id)
    report = exchange.normalizer().normalize(kafka_event(value))
    assert (report.canonical, report.repeated, report.dead_letters) == (0, 1, 0)
    assert rows_about(exchange, record_id) == MAY_REMAIN - {"processing_attempts"}


def test_a_tombstone_alone_keeps_the_record_away(exchange: Exchange) -> None:
    """As when the ledger was lost, or restored from before the tombstone."""
    record_id = submit(exchange)
    (value,) = events_of(exchange, record_id)
    erase(exchange, record_id)
    exchange.rows("DELETE FROM processing_stage_state")
    exchange.objects().put(f"hospital-a/2026-11-24T12/{record_id}.json", BODY, {})
    report = exchange.normalizer().normalize(kafka_event(value))
    assert report.canonical == 0
    for _ in range(5):
        exchange.normalizer().normalize(kafka_event(value))
    assert exchange.count("canonical_records") == exchange.count("dead_letters") == 0
    assert exchange.rows("SELECT state FROM processing_stage_state") == [("erased",)]


def test_a_record_erased_while_it_is_normalized_is_not_written(exchange: Exchange) -> None:
    record_id = submit(exchange)
    neighbour = submit(exchange, "key-00000002")
    values = [*events_of(exchange, record_id), *events_of(exchange, neighbour)]
    normalizer = exchange.normalizer(tokenizer=TokenizerThatThen(lambda: erase(exchange, record_id)))
    report = normalizer.normalize(kafka_event(*values))
    assert (report.erased, report.canonical, report.retry) == (1, 1, [])
    assert rows_about(exchange, record_id) == MAY_REMAIN
    assert exchange.rows("SELECT state FROM processing_attempts WHERE record_id = %s", record_id) == [
        ("erased",)
    ]


def test_an_attempt_whose_environment_died_ends_with_the_erasure_of_its_record(exchange: Exchange) -> None:
    record_id = submit(exchange)
    (value,) = events_of(exchange, record_id)
    delivery = Delivery(TOPICS["2"], 0, 0, value)
    event_id = read_event(delivery, CONTRACT_OF_TOPIC).event_id
    with exchange.connect_as("exchange_normalize").transaction() as transaction:
        ledger.start_attempts(transaction, [Subject(record_id, event_id, delivery)])
    erase(exchange, record_id)
    assert exchange.normalizer().normalize(kafka_event(value)).repeated == 1
    assert exchange.rows("SELECT state, finished_at IS NOT NULL FROM processing_attempts") == [
        ("erased", True)
    ]


def test_an_erasure_waits_for_the_outcome_that_is_being_written_and_takes_it(exchange: Exchange) -> None:
    record_id = submit(exchange)
    (value,) = events_of(exchange, record_id)
    database = exchange.connect_as("exchange_normalize")
    delivery = Delivery(TOPICS["2"], 0, 0, value)
    ingested = read_event(delivery, CONTRACT_OF_TOPIC)
    reader = RawReader(exchange.objects(), PartnerRegistry(database), exchange.bucket)
    canonicalizer = Canonicalizer(reader, InProcessTokenizer())
    with database.transaction() as transaction:
        attempts = ledger.start_attempts(transaction, [Subject(record_id, ingested.event_id, delivery)])
    (entry,) = canonicalizer.canonicalize([ingested])
    assert isinstance(entry, CanonicalEntry)
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as transaction:
            settlement = Settlement(delivery, ingested.event, attempts[record_id], failure=None)
            assert ledger.settle(transaction, [settlement]) == {record_id: "succeeded"}
            erasing = thread.submit(erase, exchange, record_id)
            wait_for_a_lock(exchange, "exchange_erase")
            write_canonical(transaction, [entry])
        assert erasing.result(timeout=90)["receipt"]["totals"]["rows"]["canonical_records"] == 1
    assert rows_about(exchange, record_id) == MAY_REMAIN


def wait_for_a_lock(exchange: Exchange, role: str) -> None:
    deadline = time.monotonic() + 30
    waiting = (
        "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND usename = %s AND datname = %s"
    )
    while not exchange.rows(waiting, role, exchange.database):
        assert time.monotonic() < deadline, f"{role} does not wait"
        time.sleep(0.01)


def test_an_erasure_waits_for_the_request_that_stores_the_record_again_and_takes_it(
    exchange: Exchange,
) -> None:
    """The key's row is gone, so the retry stores the record again while it is being erased."""
    record_id = submitted_and_canonical(exchange)
    exchange.rows("DELETE FROM idempotency_keys")
    exchange.rows("DELETE FROM raw_object_manifest")
    with ThreadPoolExecutor(1) as thread:
        erasing = []

        def meanwhile() -> None:
            erasing.append(thread.submit(erase, exchange, record_id))
            wait_for_a_lock(exchange, "exchange_erase")

        submit(exchange, objects=ObjectsThatThen(exchange.store(), meanwhile))
        assert erasing[0].result(timeout=90)["erased"] == 1
    assert rows_about(exchange, record_id) == MAY_REMAIN
    assert objects(exchange) == []


def test_many_records_erased_and_normalized_at_once_are_gone(exchange: Exchange) -> None:
    record_ids = [submit(exchange, f"key-{number:08}") for number in range(40)]
    values = [value for record_id in record_ids for value in events_of(exchange, record_id)]
    started = threading.Barrier(3)

    def normalize(first_offset: int) -> None:
        normalizer = exchange.normalizer()
        started.wait()
        for begin in range(0, 40, 8):
            batch = values[begin : begin + 8]
            normalizer.normalize(kafka_event(*batch, first_offset=first_offset + begin))

    def erase_all() -> dict[str, Any]:
        eraser = exchange.eraser()
        started.wait()
        return erase(exchange, *record_ids, eraser=eraser)

    with ThreadPoolExecutor(3) as threads:
        normalizing = [threads.submit(normalize, first_offset) for first_offset in (0, 100)]
        report = threads.submit(erase_all).result(timeout=90)
        for done in normalizing:
            done.result(timeout=90)
    assert (report["erased"], report["receipt"]["complete"]) == (40, True)
    assert exchange.count("canonical_records") == exchange.count("patient_tokens") == 0
    assert exchange.rows("SELECT DISTINCT state FROM processing_stage_state") == [("erased",)]
    assert objects(exchange) == []


def test_a_bucket_that_is_away_leaves_an_erasure_that_is_finished_later(exchange: Exchange) -> None:
    record_id = submitted_and_canonical(exchange)
    erasure_id = str(uuid4())
    away = exchange.eraser(versions=exchange.versions("http://127.0.0.1:9"))
    with pytest.raises(DependencyUnavailable):
        erase(exchange, record_id, eraser=away, erasure_id=erasure_id)
    # the rows are deleted already, and nothing brings them back
    assert rows_about(exchange, record_id) == MAY_REMAIN
    assert not exchange.eraser().read_receipt(UUID(erasure_id))["complete"]
    rest = exchange.eraser().answer({"erasure_id": erasure_id}, request_id="r", deadline=Deadline.after(120))
    assert rest["receipt"]["complete"]
    assert objects(exchange) == []


class VersionsThatFirst(ObjectVersions):
    """A real bucket that calls a function before it deletes the versions that were found."""

    def __init__(self, versions: ObjectVersions, first: Callable[[], object]) -> None:
        super().__init__(versions._client, versions.bucket)
        self._first = first

    def delete(self, versions: list[ObjectVersion]) -> int:
        self._first()
        return super().delete(versions)


def test_versions_that_retain_deletes_beside_an_erasure_are_counted_once(exchange: Exchange) -> None:
    record_id = submitted_and_canonical(exchange)
    retain = exchange.eraser()
    beside = VersionsThatFirst(
        exchange.versions(), lambda: retain.delete_raw(None, deadline=Deadline.after(60))
    )
    receipt = erase(exchange, record_id, eraser=exchange.eraser(versions=beside))["receipt"]
    assert (receipt["complete"], receipt["totals"]["object_versions"]) == (True, 1)


def test_an_object_that_a_crashed_attempt_left_under_another_hour_goes_too(exchange: Exchange) -> None:
    record_id = submitted_and_canonical(exchange)
    ((key,),) = exchange.rows("SELECT object_key FROM raw_object_manifest")
    source, hour, name = key.split("/")
    # A client retries for a day. Of two requests around the full hour the later one may be the one that died, and if
    # the tables were lost, the first object counts as the record's.
    for hours in (-24, -1, 1, 24):
        other = datetime.strptime(hour, "%Y-%m-%dT%H") + timedelta(hours=hours)  # noqa: DTZ007 - as the key has it
        exchange.objects().put(f"{source}/{other:%Y-%m-%dT%H}/{name}", BODY, {})
    receipt = erase(exchange, record_id)["receipt"]
    assert receipt["totals"]["object_versions"] == 5
    assert objects(exchange) == []


def test_a_dead_letter_of_an_erased_record_is_closed_empty_and_cannot_be_redriven(exchange: Exchange) -> None:
    record_id = submit(exchange)
    (value,) = events_of(exchange, record_id)
    (version,) = exchange.versions().find("")
    exchange.versions().delete([version])
    for _ in range(5):
        exchange.normalizer().normalize(kafka_event(value))
    worker = redriver(exchange)
    assert worker.preview(LetterSelection(worker.now()), limit=10).remaining == 1
    receipt = erase(exchange, record_id)["receipt"]
    assert receipt["totals"]["rows"]["dead_letters"] == 1
    assert exchange.rows("SELECT state, event FROM dead_letters") == [("erased", None)]
    assert worker.redrive(LetterSelection(worker.now()), limit=10, request_id="r").redriven == ()
    assert rows_about(exchange, record_id) == MAY_REMAIN | {"dead_letters"}


def test_a_redrive_that_began_before_the_erasure_brings_nothing_back(exchange: Exchange) -> None:
    record = submission("key-of-a-late-one")
    for _ in range(5):
        exchange.normalizer().normalize(kafka_event(exchange.event(record)))
    in_manifest(exchange, record)
    worker = redriver(exchange)
    assert len(worker.redrive(LetterSelection(worker.now()), limit=10, request_id="r").redriven) == 1
    (value,) = events_of(exchange, record.record_id)
    exchange.put(record)
    erase(exchange, record.record_id)
    # the waiting event is deleted, too, and one that was already published writes nothing
    assert events_of(exchange, record.record_id) == []
    assert exchange.normalizer().normalize(kafka_event(value, first_offset=9)).repeated == 1
    assert exchange.count("canonical_records") == 0
    assert event_id_of(record)


def in_manifest(exchange: Exchange, record: Submission) -> None:
    exchange.rows(
        "INSERT INTO raw_object_manifest VALUES (%s, 'partnerA', %s, %s, %s, %s, %s, %s, %s, 1, 'c', now())",
        *(record.record_id, record.source, record.route, record.record_kind, record.schema_hint),
        *(exchange.bucket, record.object_key, record.body_sha256),
    )


def test_a_person_s_records_at_one_partner_are_found_by_token_and_erased(exchange: Exchange) -> None:
    mine = {submitted_and_canonical(exchange, f"key-{number:08}") for number in range(2)}
    elsewhere = body_of("2", "encounter", "partnerB.v1", example("partnerB.v1", "encounter"), PERSON)
    theirs = submitted_and_canonical(exchange, "key-of-partner-b", elsewhere)
    somebody = submitted_and_canonical(exchange, "key-of-somebody", BODY.replace(b"Zqerased", b"Zqother"))
    asked = {"partner_id": "partnerA", "person": dict(PERSON)}

    def ask(**more: Any) -> dict[str, Any]:
        return exchange.eraser().answer(asked | more, request_id="r", deadline=Deadline.after(120))

    assert {UUID(found) for found in ask(dry_run=True)["record_ids"]} == mine
    assert exchange.count("canonical_records") == 4
    answer = ask()
    assert (answer["erased"], answer["receipt"]["partners"]) == (2, ["partnerA"])
    assert {record_id for (record_id,) in exchange.rows("SELECT record_id FROM canonical_records")} == {
        theirs,
        somebody,
    }
    assert ask()["erased"] == 0
    tables = [
        table for (table,) in exchange.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    for table in tables:
        assert exchange.rows(f"SELECT 1 FROM {table} AS t WHERE t::text ILIKE '%%zqerased%%'") == [], table


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "$"),
        ({"record_ids": []}, "record_ids"),
        ({"record_ids": "Zqerased"}, "record_ids"),
        ({"record_ids": [str(uuid4()), "Zqerased"]}, "record_ids.1"),
        ({"record_ids": [str(uuid4())] * 201}, "record_ids"),
        ({"record_ids": [str(uuid4())], "partner_id": "partnerA", "person": dict(SAM)}, "person"),
        ({"record_ids": [str(uuid4())], "partner_id": "partnerA"}, "person"),
        ({"person": dict(SAM)}, "partner_id"),
        ({"partner_id": "Zqer ased", "person": dict(SAM)}, "partner_id"),
        ({"partner_id": 1, "person": dict(SAM)}, "partner_id"),
        ({"partner_id": "partnerZ", "person": dict(SAM)}, "partner_id"),
        ({"partner_id": "partnerA", "person": "Zqerased"}, "person"),
        ({"partner_id": "partnerA", "person": dict(SAM) | {"Zqerased": 1}}, "person"),
        ({"partner_id": "partnerA", "person": dict(SAM) | {"dob": "Zqerased"}}, "person.dob"),
        ({"partner_id": "partnerA", "person": {"Zqerased": 1}}, "person.given_name"),
        ({"erasure_id": "Zqerased"}, "erasure_id"),
        ({"record_ids": [str(uuid4())], "dry_run": "yes"}, "dry_run"),
        ({"record_ids": [str(uuid4())], "case": "Mr. Zqerased wants to be erased"}, "case"),
        ({"record_ids": [str(uuid4())], "case": "TICKET-1\n"}, "case"),
        ({"record_ids": [str(uuid4())], "case": ""}, "case"),
        ({"Zqerased": 1}, "$"),
    ],
)
def test_a_request_that_cannot_be_followed_is_refused_by_field_and_without_a_value(
    exchange: Exchange, event: dict[str, Any], field: str
) -> None:
    with pytest.raises(ContractViolation) as refused:
        exchange.eraser().answer(event, request_id="r", deadline=Deadline.after(120))
    assert refused.value.field == field
    assert "Zq" not in str(refused.value)


def test_the_audit_log_names_the_case_that_was_the_ground(exchange: Exchange) -> None:
    with_case, without = (submitted_and_canonical(exchange, f"key-{number:08}") for number in range(2))
    receipt = erase(exchange, with_case, case="DSR/2026-17")["receipt"]
    erase(exchange, without)
    rows = exchange.rows("SELECT record_id, partner_id, case_ref FROM audit_log WHERE action = 'erase'")
    assert sorted(rows, key=str) == sorted(
        [(with_case, "partnerA", "DSR/2026-17"), (without, "partnerA", None)], key=str
    )
    # the receipt is computed from tombstones, which do not hold the case
    assert "DSR" not in json.dumps(receipt)


def test_the_audit_log_itself_takes_no_sentence_for_a_case(exchange: Exchange) -> None:
    row = "INSERT INTO audit_log (action, outcome, status, route, correlation_id, case_ref) VALUES"
    for sentence in ("Mr. Zqerased", "", "T" * 65, "TICKET-1\n", "-1"):
        with pytest.raises(errors.CheckViolation):
            exchange.rows(f"{row} ('erase', 'erased', 200, 'erase', 'c', %s)", sentence)
    exchange.rows(f"{row} ('erase', 'erased', 200, 'erase', 'c', 'T#1/2_3.4-5') RETURNING 1")


def test_a_record_that_nobody_knows_is_said_to_be_unknown(exchange: Exchange) -> None:
    stranger, known = uuid4(), submitted_and_canonical(exchange)
    answer = erase(exchange, stranger, known)
    assert (answer["unknown"], answer["erased"]) == ([str(stranger)], 1)
