"""One key and one body make one record: on retries, in races, and after crashes at the worst moments."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from typing import Any

import psycopg2
import pytest

from exchange.errors import ContractViolation, DependencyUnavailable, IdempotencyConflict, RequestRefused
from exchange.intake.model import Receipt
from exchange.intake.service import Intake
from exchange.outbox.model import OutboxEvent
from exchange.platform.contracts import contract
from exchange.platform.objects import Objects
from exchange.platform.strict_json import parse_json
from tests.integration.exchange.harness import (
    SAM,
    Context,
    Exchange,
    ObjectsThatThen,
    body_of,
    example,
    http_request,
)

BODY = body_of("1", "encounter", "partnerA.v1", example("partnerA.v1", "encounter"), SAM)
OTHER_BODY = BODY + b" "
TABLES = ("idempotency_keys", "raw_object_manifest", "outbox_events")


def submit(intake: Intake, body: bytes = BODY, **request: Any) -> Receipt:
    return intake.submit(http_request(body, **request), Context())  # type: ignore[arg-type]


def objects_in(exchange: Exchange, s3_client: Any) -> list[str]:
    return [entry["Key"] for entry in s3_client.list_objects_v2(Bucket=exchange.bucket).get("Contents", [])]


def counts(exchange: Exchange) -> list[int]:
    return [exchange.count(table) for table in TABLES]


def test_an_accepted_submission_is_one_of_everything(exchange: Exchange, s3_client: Any) -> None:
    receipt = submit(exchange.intake())
    assert counts(exchange) == [1, 1, 1]
    (key,) = objects_in(exchange, s3_client)
    stored = s3_client.get_object(Bucket=exchange.bucket, Key=key)
    assert stored["Body"].read() == BODY
    assert stored["Metadata"]["record-id"] == receipt.record_id
    ((topic, event_key, value, shard),) = exchange.rows("SELECT topic, key, value, shard FROM outbox_events")
    assert (topic, event_key) == ("record.ingested.v1", receipt.record_id)
    assert shard == OutboxEvent(topic, event_key, b"").shard
    contract("events/record.ingested.v1").validate(parse_json(bytes(value)))
    assert exchange.rows("SELECT outcome, status, partner_id, record_id::text FROM audit_log") == [
        ("accepted", 202, "partnerA", receipt.record_id)
    ]


def test_the_same_request_again_has_the_first_answer_and_leaves_only_an_audit_row(
    exchange: Exchange, s3_client: Any
) -> None:
    intake = exchange.intake()
    first = submit(intake, correlation_id="correlation-1")
    # from another environment, and with another correlation id
    again = submit(exchange.intake(), correlation_id="correlation-2")
    assert again == first
    assert counts(exchange) == [1, 1, 1]
    assert len(objects_in(exchange, s3_client)) == 1
    assert exchange.rows("SELECT outcome FROM audit_log ORDER BY audit_id") == [("accepted",), ("repeated",)]


def test_a_changed_body_is_a_conflict_even_where_json_would_not_care(
    exchange: Exchange, s3_client: Any
) -> None:
    intake = exchange.intake()
    first = submit(intake)
    with pytest.raises(IdempotencyConflict) as refused:
        submit(intake, OTHER_BODY)
    assert refused.value.field == "Idempotency-Key"
    assert counts(exchange) == [1, 1, 1]
    assert len(objects_in(exchange, s3_client)) == 1
    assert submit(intake) == first


def test_sixty_four_at_once_are_one_record(
    exchange: Exchange, s3_client: Any, many_connections: None
) -> None:
    start = threading.Barrier(64)

    def send(_: int) -> Receipt:
        intake = exchange.intake()
        start.wait(timeout=90)
        return submit(intake)

    with ThreadPoolExecutor(64) as threads:
        receipts = list(threads.map(send, range(64)))
    assert len({tuple(asdict(receipt).values()) for receipt in receipts}) == 1
    assert counts(exchange) == [1, 1, 1]
    assert len(objects_in(exchange, s3_client)) == 1
    assert exchange.rows("SELECT outcome, count(*) FROM audit_log GROUP BY outcome ORDER BY outcome") == [
        ("accepted", 1),
        ("repeated", 63),
    ]


def test_two_bodies_racing_for_one_key_have_one_winner(exchange: Exchange, many_connections: None) -> None:
    start = threading.Barrier(16)

    def send(number: int) -> str:
        intake = exchange.intake()
        start.wait(timeout=90)
        try:
            return submit(intake, BODY if number % 2 else OTHER_BODY).record_id
        except IdempotencyConflict:
            return "conflict"

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(send, range(16)))
    assert answers.count("conflict") == 8
    assert len(set(answers)) == 2
    assert counts(exchange) == [1, 1, 1]


def test_a_key_belongs_to_its_partner_and_its_route(exchange: Exchange) -> None:
    intake = exchange.intake()
    other_partner = body_of("1", "encounter", "partnerB.v1", example("partnerB.v1", "encounter"), SAM)
    other_route = body_of("2", "encounter", "partnerA.v1", example("partnerA.v1", "encounter"), SAM)
    receipts = [
        submit(intake),
        submit(intake, other_partner),
        submit(intake, other_route, route="/v2/ingest"),
    ]
    assert len({receipt.record_id for receipt in receipts}) == 3
    assert exchange.rows("SELECT partner_id, route FROM idempotency_keys ORDER BY 1, 2") == [
        ("partnerA", "/v1/ingest"),
        ("partnerA", "/v2/ingest"),
        ("partnerB", "/v1/ingest"),
    ]


def test_a_key_is_kept_hashed_and_for_thirty_days(exchange: Exchange) -> None:
    submit(exchange.intake(), key="MRN-4711-Quetzalcoatl")
    ((row, seconds),) = exchange.rows(
        "SELECT k::text, extract(epoch FROM expires_at - created_at)::int FROM idempotency_keys AS k"
    )
    assert "Quetzalcoatl" not in row
    assert seconds == pytest.approx(30 * 24 * 3600, abs=2)


def test_an_expired_key_still_knows_its_own_body(exchange: Exchange) -> None:
    intake = exchange.intake()
    first = submit(intake)
    exchange.rows("UPDATE idempotency_keys SET expires_at = now() - interval '1 day'")
    assert submit(intake) == first
    assert counts(exchange) == [1, 1, 1]


def test_an_expired_key_may_be_used_for_another_body(exchange: Exchange) -> None:
    intake = exchange.intake()
    first = submit(intake)
    exchange.rows("UPDATE idempotency_keys SET expires_at = now() - interval '1 day'")
    second = submit(intake, OTHER_BODY)
    assert second.record_id != first.record_id
    assert counts(exchange) == [1, 2, 2]
    with pytest.raises(IdempotencyConflict):
        submit(intake, BODY)


def test_a_pruned_key_does_not_make_a_second_record(exchange: Exchange) -> None:
    intake = exchange.intake()
    first = submit(intake)
    exchange.rows("DELETE FROM idempotency_keys")
    # the first answer, although this request has another correlation id, and no second object
    assert submit(intake, correlation_id="correlation-of-the-retry") == first
    assert counts(exchange) == [1, 1, 1]
    assert exchange.rows("SELECT outcome FROM audit_log ORDER BY audit_id") == [("accepted",), ("repeated",)]


def test_a_bucket_that_does_not_answer_leaves_nothing_behind(exchange: Exchange) -> None:
    unreachable = Objects(exchange.store(endpoint="http://127.0.0.1:9"))
    intake = exchange.intake(objects=unreachable)
    with pytest.raises(DependencyUnavailable):
        submit(intake)
    assert counts(exchange) == [0, 0, 0]
    assert exchange.count("audit_log") == 0
    # the lock ended with the transaction
    assert submit(exchange.intake()).record_id


def test_a_database_that_dies_between_put_and_commit_is_one_record_after_the_retry(
    exchange: Exchange, s3_client: Any
) -> None:
    crashes = iter([True])

    def crash_once() -> None:
        if next(crashes, False):
            assert exchange.kill_connections_of("exchange_ingest") == 1

    intake = exchange.intake(objects=ObjectsThatThen(exchange.store(), crash_once))
    with pytest.raises(DependencyUnavailable):
        submit(intake)
    assert counts(exchange) == [0, 0, 0]
    (orphan,) = objects_in(exchange, s3_client)
    receipt = submit(intake)
    assert receipt.record_id in orphan
    assert counts(exchange) == [1, 1, 1]


def test_an_environment_killed_in_the_middle_of_a_request_serves_the_next_one(exchange: Exchange) -> None:
    class Killed(BaseException):
        """An end that `except Exception` does not catch, like a timeout of the runtime."""

    deaths = iter([True])

    def die_once() -> None:
        if next(deaths, False):
            raise Killed

    intake = exchange.intake(objects=ObjectsThatThen(exchange.store(), die_once))
    with pytest.raises(Killed):
        submit(intake)
    assert submit(intake, key="key-of-the-next").record_id
    assert counts(exchange) == [1, 1, 1]
    # and the lock of the first key is free
    assert submit(exchange.intake()).record_id
    assert counts(exchange) == [2, 2, 2]


def test_a_connection_killed_while_idle_is_replaced_without_the_client_noticing(exchange: Exchange) -> None:
    intake = exchange.intake()
    first = submit(intake)
    assert exchange.kill_connections_of("exchange_ingest") == 1
    assert submit(intake) == first
    assert exchange.kill_connections_of("exchange_ingest") == 1
    assert submit(intake, key="key-00000002").record_id != first.record_id
    assert counts(exchange) == [2, 2, 2]


def test_a_key_held_elsewhere_for_too_long_is_an_answer_and_not_a_hang(exchange: Exchange) -> None:
    impatient = exchange.intake(
        database=exchange.connect_as("exchange_ingest", options="-c lock_timeout=100ms")
    )
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        holding.set()
        assert release.wait(timeout=90)

    slow = exchange.intake(objects=ObjectsThatThen(exchange.store(), hold))
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(submit, slow)
        assert holding.wait(timeout=90)
        with pytest.raises(DependencyUnavailable):
            submit(impatient)
        # another key does not wait
        assert submit(impatient, key="key-00000002").record_id
        release.set()
        assert submit(impatient) == first.result(timeout=90)
    assert counts(exchange) == [2, 2, 2]


def test_nothing_that_was_refused_is_remembered(exchange: Exchange, s3_client: Any) -> None:
    intake = exchange.intake()
    refused: list[RequestRefused] = []
    for body, authorization in ((b"{}", "Bearer dev"), (BODY, None), (b"", "Bearer dev")):
        with pytest.raises(RequestRefused) as refusal:
            submit(intake, body, authorization=authorization)
        refused.append(refusal.value)
    assert isinstance(refused[0], ContractViolation)
    assert counts(exchange) == [0, 0, 0]
    assert objects_in(exchange, s3_client) == []
    assert exchange.rows("SELECT outcome, status FROM audit_log ORDER BY audit_id") == [
        ("contract_violation", 400),
        ("unauthenticated", 401),
        ("invalid_request", 400),
    ]
    # so the same key can still be used for the corrected request
    assert submit(intake).record_id


def test_a_source_just_registered_may_send_at_once(exchange: Exchange) -> None:
    intake = exchange.intake()
    submit(intake)
    body = BODY.replace(b'"hospital-a"', b'"hospital-c"')
    with pytest.raises(RequestRefused) as refused:
        submit(intake, body, key="key-00000003")
    assert refused.value.field == "source"
    exchange.rows("INSERT INTO partner_sources VALUES ('hospital-c', 'partnerA')")
    with closing(psycopg2.connect(exchange.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(1.1)")
    assert submit(intake, body, key="key-00000003").record_id


# Powertools warns when it is disabled, and pytest takes warnings for errors.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_is_accepted_while_idempotency_is_disabled(
    exchange: Exchange, s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_IDEMPOTENCY_DISABLED", "true")
    with pytest.raises(LookupError, match="is not locked"):
        submit(exchange.intake())
    assert counts(exchange) == [0, 0, 0]
    assert objects_in(exchange, s3_client) == []
