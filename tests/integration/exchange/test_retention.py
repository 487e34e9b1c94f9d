"""Expired data are deleted page by page, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from exchange.erasure.service import Eraser
from exchange.platform.deadline import Deadline
from exchange.platform.versions import DELETE_PAGE
from exchange.retention import service
from exchange.retention.service import Retention, RetentionReport
from tests.integration.exchange.harness import (
    Exchange,
    InProcessTokenizer,
    kafka_event,
    submission,
)

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def retain(exchange: Exchange, *, seconds: float = 60, now: datetime = NOW) -> RetentionReport:
    database, versions = exchange.connect_as("exchange_retain"), exchange.versions()
    retention = Retention(
        *(database, versions, Eraser(database, versions, InProcessTokenizer)),
        ledger_days=400,
        now=lambda: now,
    )
    return retention.run(deadline=Deadline.after(seconds), request_id="the-request-id")


def keys(exchange: Exchange) -> list[str]:
    return [version.key for version in exchange.versions().find("")]


def old_and_new(exchange: Exchange, *hours: str, source: str = "hospital-a") -> list[str]:
    made = [f"{source}/{hour}/{uuid4()}.json" for hour in hours]
    for key in made:
        exchange.objects().put(key, b"{}", {})
    return made


def know_object(exchange: Exchange, key: str) -> None:
    """Write a manifest row for the object under `key`, as if it had been accepted."""
    exchange.rows(
        "INSERT INTO raw_object_manifest VALUES (%s, 'partnerA', 'hospital-a', 'r', 'encounter', 'h', 'b', %s, %s, 1,"
        " 'c', now())",
        *(key.rpartition("/")[2].removesuffix(".json"), key, "0" * 64),
    )


@pytest.mark.parametrize("versioned", [False, True], ids=["a plain bucket", "a versioned bucket"])
def test_raw_objects_go_when_their_partner_s_time_is_over(
    exchange: Exchange, s3_client: Any, versioned: bool
) -> None:
    if versioned:
        s3_client.put_bucket_versioning(Bucket=exchange.bucket, VersioningConfiguration={"Status": "Enabled"})
    exchange.rows("UPDATE partners SET raw_retention_days = 30 WHERE partner_id = 'partnerA'")
    old, last_hour, first_kept, new = old_and_new(
        exchange, "2026-09-01T00", "2026-10-25T11", "2026-10-25T12", "2026-11-24T12"
    )
    (theirs,) = old_and_new(exchange, "2026-09-01T00", source="hospital-b")
    if versioned:
        s3_client.delete_object(Bucket=exchange.bucket, Key=old)
    report = retain(exchange)
    assert report.raw_object_versions == (3 if versioned else 2)
    assert sorted(keys(exchange)) == sorted([first_kept, new, theirs])
    assert last_hour not in keys(exchange)
    assert retain(exchange) == RetentionReport(0, 0, 0, 0, 0, 0, complete=True)


def test_a_record_whose_raw_object_went_keeps_its_rows_and_says_so(exchange: Exchange) -> None:
    record = submission("key-00000001")
    exchange.put(record)
    exchange.normalizer().normalize(kafka_event(exchange.event(record)))
    know_object(exchange, record.object_key)
    retain(exchange, now=NOW + timedelta(days=4000))
    assert keys(exchange) == []
    assert exchange.rows("SELECT raw_deleted_at IS NOT NULL FROM raw_object_manifest") == [(True,)]
    assert exchange.count("canonical_records") == 1
    assert exchange.rows("SELECT action, outcome, partner_id, record_id FROM audit_log") == [
        ("retain", "raw_deleted", "partnerA", record.record_id)
    ]


def test_a_copy_that_is_older_than_its_record_s_object_goes_alone(exchange: Exchange) -> None:
    """The copy was left by a request that died before its commit; the client's retry came two hours later."""
    finished, unfinished = submission("key-00000001"), submission("key-00000002")
    for record in (finished, unfinished):
        exchange.put(record)
        know_object(exchange, record.object_key)
        exchange.put(replace(record, occurred_at=record.occurred_at - timedelta(hours=2)))
    exchange.normalizer().normalize(kafka_event(exchange.event(finished)))
    report = retain(exchange, now=NOW + timedelta(days=3650, hours=-1))
    assert (report.raw_object_versions, report.raw_object_versions_overdue) == (1, 1)
    assert finished.object_key in keys(exchange)
    assert exchange.rows("SELECT 1 FROM raw_object_manifest WHERE raw_deleted_at IS NOT NULL") == []
    assert exchange.rows("SELECT 1 FROM audit_log") == []


def test_what_was_accepted_and_is_not_canonical_keeps_its_object_however_old(exchange: Exchange) -> None:
    finished, unfinished = submission("key-00000001"), submission("key-00000002")
    for record in (finished, unfinished):
        exchange.put(record)
        know_object(exchange, record.object_key)
    exchange.normalizer().normalize(kafka_event(exchange.event(finished)))
    much_later = NOW + timedelta(days=4000)
    report = retain(exchange, now=much_later)
    assert (report.raw_object_versions, report.raw_object_versions_overdue) == (1, 1)
    assert keys(exchange) == [unfinished.object_key]
    exchange.normalizer().normalize(kafka_event(exchange.event(unfinished)))
    report = retain(exchange, now=much_later)
    assert (report.raw_object_versions, report.raw_object_versions_overdue) == (1, 0)
    assert keys(exchange) == []


def test_more_objects_than_a_page_go_around_those_that_stay(exchange: Exchange) -> None:
    hour = "2026-09-01T00"
    made = old_and_new(exchange, *[hour] * (DELETE_PAGE + 50))
    stays = sorted(made)[10]
    know_object(exchange, stays)
    report = retain(exchange, now=NOW + timedelta(days=4000))
    assert (report.raw_object_versions, report.raw_object_versions_overdue) == (DELETE_PAGE + 49, 1)
    assert keys(exchange) == [stays]


def test_keys_of_the_old_system_without_an_hour_go_by_their_age(exchange: Exchange) -> None:
    exchange.objects().put(f"hospital-a/{uuid4()}.json", b"{}", {})
    assert retain(exchange, now=datetime.now(UTC) + timedelta(days=3000)).raw_object_versions == 0
    assert retain(exchange, now=datetime.now(UTC) + timedelta(days=3651)).raw_object_versions == 1


def test_expired_keys_old_attempts_and_closed_letters_go_and_open_ones_stay(exchange: Exchange) -> None:
    exchange.rows(
        "INSERT INTO idempotency_keys SELECT n, 'partnerA', 'r', 'h', '{}', now(), now() + n * interval '1 day'"
        " FROM generate_series(-3, 3) AS n"
    )
    exchange.rows(
        "INSERT INTO processing_attempts SELECT gen_random_uuid(), 'canonicalize', now() - n * interval '100 days',"
        " now(), 'succeeded', NULL, gen_random_uuid(), 't', 0, n, 'e' FROM generate_series(1, 6) AS n"
    )
    exchange.rows(
        "INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, stage, error_type, error_message, attempts,"
        " failed_at, state, closed_at) SELECT 't', 0, n, 'normalize', 'E', 'm', 1, now() - interval '500 days',"
        " CASE n WHEN 1 THEN 'resolved' ELSE 'dead' END, CASE n WHEN 1 THEN now() - interval '450 days' END"
        " FROM generate_series(1, 2) AS n"
    )
    report = retain(exchange)
    assert (report.idempotency_keys, report.attempts, report.dead_letters) == (4, 3, 1)
    assert [exchange.count(t) for t in ("idempotency_keys", "processing_attempts", "dead_letters")] == [
        3,
        3,
        1,
    ]


def test_a_run_whose_time_is_up_says_so_and_the_next_goes_on(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PAGE", 2)
    exchange.rows(
        "INSERT INTO idempotency_keys SELECT n, 'partnerA', 'r', 'h', '{}', now(), now() - interval '1 day'"
        " FROM generate_series(1, 5) AS n"
    )
    assert not retain(exchange, seconds=-1).complete
    assert exchange.count("idempotency_keys") == 5
    report = retain(exchange)
    assert (report.idempotency_keys, report.complete) == (5, True)


def test_an_erasure_that_was_cut_short_is_completed(exchange: Exchange) -> None:
    (key,) = old_and_new(exchange, "2026-11-24T12")
    exchange.rows(
        "INSERT INTO tombstones (record_id, erasure_id, partner_id, bucket, object_key, deleted_rows)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 'partnerA', %s, %s, '{}')",
        *(exchange.bucket, key),
    )
    assert retain(exchange).erasures_completed == 1
    assert keys(exchange) == []
    assert exchange.rows("SELECT deleted_object_versions FROM tombstones") == [(1,)]
