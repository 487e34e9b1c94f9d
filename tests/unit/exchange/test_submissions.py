"""The values that follow from a submission alone. They are golden: a changed one would orphan every stored record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.intake.model import Submission
from exchange.outbox.model import SHARD_COUNT, OutboxEvent
from exchange.platform.contracts import contract
from exchange.platform.queries import load_queries
from exchange.platform.strict_json import parse_json
from tests.integration.exchange.harness import object_metadata, record_ingested

SUBMISSION = Submission(
    partner_id="partnerA",
    source="hospital-a",
    route="/v1/ingest",
    record_kind="encounter",
    schema_hint="partnerA.v1",
    correlation_id="corr-00000001",
    occurred_at=datetime(2026, 11, 24, 23, 30, 1, 234567, tzinfo=timezone(timedelta(hours=2))),
    idempotency_key="key-00000001",
    body=b'{"a":1}',
)
V2 = replace(SUBMISSION, route="/v2/ingest")


def test_a_record_id_is_the_same_for_ever() -> None:
    assert str(SUBMISSION.record_id) == "63b8dd49-a1ba-5092-87ee-87eb77251b63"
    assert str(V2.record_id) == "6117f3ba-9341-59c1-8e4a-3799c5f07683"


def test_an_object_lies_under_its_source_and_its_hour_in_utc() -> None:
    assert SUBMISSION.object_key == "hospital-a/2026-11-24T21/63b8dd49-a1ba-5092-87ee-87eb77251b63.json"


def test_an_event_has_the_same_bytes_for_ever() -> None:
    assert record_ingested(SUBMISSION, "exchange-raw") == (
        b'{"correlation_id":"corr-00000001","event_id":"7058a67d-7a70-5699-8ec7-4fff406c59fd",'
        b'"event_type":"record.ingested","event_version":"1","occurred_at":"2026-11-24T21:30:01.234Z",'
        b'"raw_object":{"bucket":"exchange-raw",'
        b'"key":"hospital-a/2026-11-24T21/63b8dd49-a1ba-5092-87ee-87eb77251b63.json",'
        b'"sha256":"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862","size_bytes":7},'
        b'"record_id":"63b8dd49-a1ba-5092-87ee-87eb77251b63","source":"hospital-a"}'
    )
    second = json.loads(record_ingested(V2, "exchange-raw"))
    assert second["event_id"] == "0d3a5125-0a4a-5691-9f19-d8b7a49faefe"
    assert (second["record_kind"], second["schema_hint"]) == ("encounter", "partnerA.v1")


@pytest.mark.parametrize("submission", [SUBMISSION, V2], ids=["v1", "v2"])
def test_an_event_meets_its_contract(submission: Submission) -> None:
    event = parse_json(record_ingested(submission, "exchange-raw"))
    contract(f"events/record.ingested.v{submission.version}").validate(event)


@pytest.mark.parametrize(
    "other",
    [
        replace(SUBMISSION, partner_id="partnerB"),
        replace(SUBMISSION, route="/v2/ingest"),
        replace(SUBMISSION, idempotency_key="key-00000002"),
        replace(SUBMISSION, body=b'{"a":2}'),
    ],
    ids=["partner", "route", "key", "body"],
)
def test_another_request_is_another_record(other: Submission) -> None:
    assert other.record_id != SUBMISSION.record_id


def test_a_retry_in_another_hour_is_the_same_record() -> None:
    retry = replace(
        SUBMISSION, occurred_at=SUBMISSION.occurred_at + timedelta(hours=3), correlation_id="another-one"
    )
    assert retry.record_id == SUBMISSION.record_id


def test_the_metadata_hold_what_the_event_holds() -> None:
    event = json.loads(record_ingested(V2, "exchange-raw"))
    metadata = object_metadata(V2)
    for name in ("record_id", "source", "correlation_id", "occurred_at", "record_kind", "schema_hint"):
        assert metadata[name.replace("_", "-")] == event[name]
    assert metadata["sha256"] == event["raw_object"]["sha256"]


def test_a_submission_shows_neither_its_body_nor_its_key() -> None:
    shown = repr(replace(SUBMISSION, body=b"Quetzalcoatl", idempotency_key="MRN-Quetzalcoatl"))
    assert "Quetzalcoatl" not in shown


def test_a_key_stays_in_its_shard_for_ever() -> None:
    keys = ("a", "b", "63b8dd49-a1ba-5092-87ee-87eb77251b63")
    assert [OutboxEvent("topic", key, b"").shard for key in keys] == [10, 14, 6]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_key_has_a_shard(key: str) -> None:
    assert 0 <= OutboxEvent("topic", key, b"").shard < SHARD_COUNT


def test_no_statement_of_any_room_is_lost_to_a_misspelt_name() -> None:
    import exchange.dead_letters.store as dead_letters
    import exchange.erasure.store as erasure
    import exchange.intake.store as intake
    import exchange.ledger.attempts as ledger
    import exchange.outbox.store as outbox
    import exchange.raw.manifest as raw
    import exchange.records.store as records
    import exchange.recovery.store as recovery

    for module in (dead_letters, erasure, intake, ledger, outbox, raw, records, recovery):
        assert module.__file__ is not None
        statements = load_queries(module.__file__)
        assert statements
        assert all(statement.upper().count("-- NAME:") == 0 for statement in statements.values())
