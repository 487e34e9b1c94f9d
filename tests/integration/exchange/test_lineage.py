"""One query reads a record's lineage from its raw object to its derived rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from exchange.errors import ContractViolation
from exchange.ledger.lineage import LineageReader
from tests.integration.exchange.harness import (
    SAM,
    Context,
    Exchange,
    body_of,
    event_id_of,
    example,
    http_request,
    kafka_event,
    submission,
)


def lineage_of(exchange: Exchange, record_id: UUID | str) -> dict[str, Any]:
    return LineageReader(exchange.connect_as("exchange_lineage")).read({"record_id": str(record_id)})


def test_a_canonical_record_is_traced_from_its_object_to_its_rows(exchange: Exchange) -> None:
    body = body_of("2", "claim", "partnerA.v2", example("partnerA.v2", "claim"), SAM)
    receipt = exchange.intake().submit(http_request(body, route="/v2/ingest"), Context())  # type: ignore[arg-type]
    before = lineage_of(exchange, receipt.record_id)
    assert before["raw_object"]["object_key"].endswith(f"/{receipt.record_id}.json")
    assert [event["topic"] for event in before["waiting_events"]] == ["record.ingested.v2"]
    assert (before["attempts"], before["canonical"], before["derived"]["patient_tokens"]) == ([], None, 0)

    ((value,),) = exchange.rows("SELECT value FROM outbox_events")
    exchange.rows("UPDATE outbox_events SET published_at = now()")
    exchange.normalizer().normalize(kafka_event(bytes(value), first_offset=7))
    after = lineage_of(exchange, receipt.record_id)
    assert after["waiting_events"] == []
    ((offset, attempts),) = [(event["offset"], event["attempts"]) for event in after["events"]]
    assert (offset, attempts) == (7, 1)
    assert [attempt["state"] for attempt in after["attempts"]] == ["succeeded"]
    assert after["attempts_left_off"] == 0
    assert after["stages"][0]["state"] == "succeeded"
    assert after["canonical"]["record_kind"] == "claim"
    lines = len(example("partnerA.v2", "claim")["item"])
    derived = {name: count for name, count in after["derived"].items() if count}
    assert derived == {"patient_tokens": 1, "canonical_claims": 1, "canonical_claim_lines": lines}
    assert after["erased"] is None


def test_a_dead_record_s_lineage_ends_in_its_letter(exchange: Exchange) -> None:
    record = submission("key-of-a-late-one")
    for _ in range(5):
        exchange.normalizer().normalize(kafka_event(exchange.event(record)))
    traced = lineage_of(exchange, record.record_id)
    assert [attempt["state"] for attempt in traced["attempts"]] == [*["failed_retryable"] * 4, "dlq"]
    assert {attempt["event_id"] for attempt in traced["attempts"]} == {str(event_id_of(record))}
    assert [(letter["state"], letter["stage"]) for letter in traced["dead_letters"]] == [
        ("dead", "fetch_raw_object")
    ]
    assert traced["canonical"] is None


def test_of_a_record_that_was_tried_for_years_the_newest_attempts_are_told_and_how_many_are_not(
    exchange: Exchange,
) -> None:
    record = submission("key-of-a-late-one")
    exchange.rows(
        "INSERT INTO processing_attempts (record_id, stage, started_at, state, event_id, topic, kafka_partition,"
        " kafka_offset, environment_id, finished_at)"
        " SELECT %s, 'canonicalize', timestamptz '2020-01-01' + n * interval '1 day', 'succeeded', %s,"
        # each event twice
        " 'record.ingested.v1', 0, n / 2, 'e', now() FROM generate_series(2, 501) AS n",
        *(record.record_id, event_id_of(record)),
    )
    traced = lineage_of(exchange, record.record_id)
    assert [attempt["offset"] for attempt in traced["attempts"]] == sorted(2 * [*range(151, 251)])
    assert [event["offset"] for event in traced["events"]] == list(range(51, 251))
    assert (traced["attempts_left_off"], traced["events_left_off"]) == (300, 50)


def test_nobody_s_record_has_a_lineage_without_facts_and_no_id_is_refused(exchange: Exchange) -> None:
    traced = lineage_of(exchange, "5573a23f-05d6-4b02-9aff-4998ee4f6ac3")
    assert (traced["raw_object"], traced["stages"], traced["erased"]) == (None, [], None)
    with pytest.raises(ContractViolation, match="record_id"):
        lineage_of(exchange, "Quetzalcoatl")
