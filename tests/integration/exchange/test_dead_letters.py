"""A dead letter is listed, its cause repaired, and its event sent again: once, not in a loop."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
import pytest

from exchange.errors import ContractViolation
from exchange.intake.model import Submission
from tests.integration.exchange.harness import (
    SAM,
    TOPICS,
    Exchange,
    kafka_event,
    record_ingested,
    submission,
)
from tests.integration.exchange.recovery_harness import reconcile, redriver

LATE = [submission(f"key-of-a-late-one-{number}", person=SAM | {"family_name": "Zq"}) for number in range(3)]
MISFIT = submission("key-of-a-misfit", payload={"Zqpayload": 1})


def asked(exchange: Exchange, **event: Any) -> dict[str, Any]:
    return redriver(exchange).answer(event, "the-request-id")


def bury(exchange: Exchange, *records: Submission, first_offset: int = 0) -> None:
    """Deliver records that fail until they are dead letters."""
    values = map(exchange.event, records)
    event = kafka_event(*values, topic=TOPICS[records[0].version], first_offset=first_offset)
    for _ in range(5):
        exchange.normalizer().normalize(event)


def sent_again(exchange: Exchange) -> list[bytes]:
    rows = exchange.rows("SELECT value FROM outbox_events WHERE topic NOT LIKE '%%.dlq' ORDER BY outbox_id")
    return [bytes(value) for (value,) in rows]


def states(exchange: Exchange) -> list[tuple[str, int]]:
    return exchange.rows("SELECT state, redrives FROM dead_letters ORDER BY dead_letter_id")


def test_dead_letters_are_listed_by_reason_and_one_by_one_and_shown(exchange: Exchange) -> None:
    exchange.put(MISFIT)
    bury(exchange, *LATE, MISFIT)
    first, second = asked(exchange, action="list")["reasons"]
    assert (first["dead_letters"], first["stage"], first["error_message"], first["readable"]) == (
        *(3, "fetch_raw_object", "raw_object.key: the object is not there", 3),
    )
    assert (second["dead_letters"], second["stage"]) == (1, "normalize")
    letters = asked(exchange, action="list", by="letter", reason=first["reason"])["dead_letters"]
    assert [letter["record_id"] for letter in letters] == [str(record.record_id) for record in LATE]
    page = asked(exchange, action="list", by="letter", limit=2, after=letters[0]["dead_letter_id"])
    assert len(page["dead_letters"]) == 2
    shown = asked(exchange, action="show", dead_letter_id=letters[0]["dead_letter_id"])
    assert (shown["state"], shown["attempts"], shown["has_event"]) == ("dead", 5, True)
    everything = json.dumps([first, second, letters, shown])
    assert "Zq" not in everything
    assert "key-of-a" not in everything


def test_a_redriven_record_whose_cause_was_mended_becomes_canonical_and_closes_its_letter(
    exchange: Exchange,
) -> None:
    bury(exchange, *LATE)
    for record in LATE:
        exchange.put(record)
    report = asked(exchange, action="redrive", all=True, limit=2)
    assert (len(report["redriven"]), report["remaining"]) == (2, 1)
    report = asked(exchange, action="redrive", all=True, limit=2, as_of=report["as_of"])
    assert (len(report["redriven"]), report["remaining"]) == (1, 0)
    # byte for byte as first delivered
    assert sent_again(exchange) == [exchange.event(record) for record in LATE]
    again = kafka_event(*sent_again(exchange), first_offset=10)
    assert exchange.normalizer().normalize(again).canonical == 3
    assert states(exchange) == [("resolved", 1)] * 3
    assert asked(exchange, action="list")["reasons"] == []
    assert (
        exchange.rows("SELECT action, outcome, correlation_id FROM audit_log")
        == [("redrive", "redriven", "the-request-id")] * 3
    )


def test_the_audit_log_names_the_partner_and_the_case_of_what_was_redriven_or_refused(
    exchange: Exchange,
) -> None:
    sent, refused = LATE[:2]
    without_bytes(exchange, sent)
    without_bytes(exchange, refused)
    obstore.delete(exchange.store(), [refused.object_key])
    asked(exchange, action="redrive", all=True, case="TICKET-123")
    audited = "SELECT outcome, record_id, partner_id, case_ref FROM audit_log ORDER BY outcome DESC"
    assert exchange.rows(audited) == [
        ("redriven", sent.record_id, sent.partner_id, "TICKET-123"),
        ("raw_object_missing", refused.record_id, refused.partner_id, "TICKET-123"),
    ]


def test_a_redriven_record_that_fails_again_is_dead_again_and_waits_to_be_asked_for(
    exchange: Exchange,
) -> None:
    bury(exchange, LATE[0])
    began = asked(exchange, action="redrive", all=True)
    assert states(exchange) == [("redriven", 1)]
    # five new attempts, and then it is still one letter
    bury(exchange, LATE[0], first_offset=10)
    assert states(exchange) == [("dead", 1)]
    assert exchange.rows("SELECT kafka_offset, attempts FROM dead_letters") == [(10, 5)]
    ((messages,),) = exchange.rows("SELECT count(*) FROM outbox_events WHERE topic LIKE '%%.dlq'")
    assert messages == 2
    # the same run does not take it again, but a later one does
    assert asked(exchange, action="redrive", all=True, as_of=began["as_of"])["redriven"] == []
    assert len(asked(exchange, action="redrive", all=True)["redriven"]) == 1


def test_an_old_delivery_that_comes_again_after_a_redrive_leaves_a_letter_that_can_be_redriven(
    exchange: Exchange,
) -> None:
    bury(exchange, LATE[0])
    asked(exchange, action="redrive", all=True)
    # its offset had not been committed, so it is delivered again before the redriven event
    bury(exchange, LATE[0])
    bury(exchange, LATE[0], first_offset=10)
    assert states(exchange) == [("dead", 1)]
    assert len(asked(exchange, action="redrive", all=True)["redriven"]) == 1


def test_a_redriven_event_that_comes_twice_is_one_record(exchange: Exchange) -> None:
    bury(exchange, LATE[0])
    exchange.put(LATE[0])
    asked(exchange, action="redrive", all=True)
    (value,) = sent_again(exchange)
    report = exchange.normalizer().normalize(kafka_event(value, value, first_offset=10))
    assert (report.canonical, report.repeated) == (1, 1)
    assert exchange.normalizer().normalize(kafka_event(value, first_offset=12)).repeated == 1
    assert exchange.count("canonical_records") == 1


def test_one_letter_or_one_class_is_redriven_and_the_others_are_not(exchange: Exchange) -> None:
    exchange.put(MISFIT)
    bury(exchange, *LATE, MISFIT)
    late, misfit = asked(exchange, action="list")["reasons"]
    assert asked(exchange, action="redrive", reason=late["reason"], dry_run=True)["remaining"] == 3
    assert states(exchange) == [("dead", 0)] * 4
    assert len(asked(exchange, action="redrive", reason=misfit["reason"])["redriven"]) == 1
    (first, *_) = asked(exchange, action="list", by="letter", reason=late["reason"])["dead_letters"]
    number = first["dead_letter_id"]
    assert asked(exchange, action="redrive", dead_letter_ids=[number])["redriven"] == [number]
    assert sorted(states(exchange)) == [("dead", 0), ("dead", 0), ("redriven", 1), ("redriven", 1)]


def test_what_could_not_be_read_is_listed_by_its_hash_and_refused(exchange: Exchange) -> None:
    exchange.normalizer().normalize(kafka_event(b"Dear Mr. Zq"))
    exchange.normalizer().normalize(kafka_event(b"Dear Mr. Zq"))
    # a recreated topic has the same offsets for other deliveries
    exchange.normalizer().normalize(kafka_event(b"Dear Mrs. Zq"))
    (reason,) = asked(exchange, action="list")["reasons"]
    assert (reason["dead_letters"], reason["readable"]) == (2, 0)
    report = asked(exchange, action="redrive", all=True)
    assert (report["redriven"], report["remaining"]) == ([], 0)
    assert refusals(report) == ["event_unreadable"] * 2


def refusals(report: dict[str, Any]) -> list[str]:
    return [refused["refusal"] for refused in report["refused"]]


def without_bytes(exchange: Exchange, record: Submission, *, in_manifest: bool = True) -> None:
    """Make a dead letter without its event's bytes, whose raw object exists and whose mapping is repaired."""
    bury(exchange, record)
    exchange.rows("UPDATE dead_letters SET event = NULL")
    exchange.put(record)
    if in_manifest:
        exchange.rows(
            "INSERT INTO raw_object_manifest VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            *(record.record_id, record.partner_id, record.source, record.route, record.record_kind),
            *(record.schema_hint, exchange.bucket, record.object_key, record.body_sha256, len(record.body)),
            *(record.correlation_id, record.occurred_at),
        )


@pytest.mark.parametrize("in_manifest", [True, False], ids=["by the manifest", "by the object alone"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_letter_without_its_event_s_bytes_is_sent_as_the_same_bytes(
    exchange: Exchange, version: str, in_manifest: bool
) -> None:
    hint = "partnerA.v1" if version == "1" else "partnerA.v2"
    # An object is stored under the hour of its acceptance, and its record fails soon after.
    accepted_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    record = replace(submission("key-of-a-lost-one", version=version, hint=hint), occurred_at=accepted_at)
    topic = TOPICS[version]
    without_bytes(exchange, record, in_manifest=in_manifest)
    report = asked(exchange, action="redrive", all=True)
    assert (len(report["redriven"]), report["refused"], report["remaining"]) == (1, [], 0)
    assert sent_again(exchange) == [record_ingested(record, exchange.bucket)]
    assert exchange.rows("SELECT topic FROM outbox_events WHERE topic NOT LIKE '%%.dlq'") == [(topic,)]
    again = kafka_event(*sent_again(exchange), topic=topic, first_offset=10)
    assert exchange.normalizer().normalize(again).canonical == 1
    assert states(exchange) == [("resolved", 1)]


@pytest.mark.parametrize("spoil", ["missing", "changed", "unknown", "not dead"])
def test_a_letter_that_cannot_be_sent_is_refused_with_its_reason_once_a_run(
    exchange: Exchange, spoil: str
) -> None:
    record, good = LATE[0], LATE[1]
    without_bytes(exchange, record)
    bury(exchange, good, first_offset=5)
    if spoil == "changed":
        exchange.put(record, body=b"{}")
    elif spoil == "not dead":
        exchange.rows("DELETE FROM processing_stage_state WHERE record_id = %s", record.record_id)
    else:
        obstore.delete(exchange.store(), [record.object_key])
    if spoil == "unknown":
        exchange.rows("DELETE FROM raw_object_manifest")
    code = {"unknown": "record_unknown", "not dead": "record_not_dead"}.get(spoil, f"raw_object_{spoil}")

    looked = asked(exchange, action="redrive", all=True, dry_run=True)
    assert (refusals(looked), looked["redriven"], looked["remaining"]) == ([code], [], 2)
    first = asked(exchange, action="redrive", all=True, limit=1)
    assert (refusals(first), first["redriven"], first["remaining"]) == ([code], [], 1)
    assert first["refused"][0]["record_id"] == str(record.record_id)
    # the run continues with the next letter and leaves this one alone
    second = asked(exchange, action="redrive", all=True, limit=1, as_of=first["as_of"])
    assert (second["refused"], len(second["redriven"]), second["remaining"]) == ([], 1, 0)
    assert exchange.rows(
        "SELECT outcome, status, record_id, correlation_id FROM audit_log WHERE outcome <> 'redriven'"
    ) == [(code, 409, record.record_id, "the-request-id")]
    shown = asked(exchange, action="show", dead_letter_id=first["refused"][0]["dead_letter_id"])
    assert (shown["state"], shown["refusal"], shown["advice"]) == (
        "dead",
        code,
        first["refused"][0]["advice"],
    )
    # a later redrive examines it again
    assert refusals(asked(exchange, action="redrive", all=True)) == [code]


def test_a_letter_that_only_the_bucket_knows_is_sent_once_reconcile_has_found_its_object(
    exchange: Exchange,
) -> None:
    accepted_at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    record = replace(LATE[0], occurred_at=accepted_at)
    without_bytes(exchange, record, in_manifest=False)
    assert refusals(asked(exchange, action="redrive", all=True)) == ["record_unknown"]
    reconcile(exchange, repair=True)
    report = asked(exchange, action="redrive", all=True)
    assert (len(report["redriven"]), report["refused"]) == (1, [])
    assert set(sent_again(exchange)) == {record_ingested(record, exchange.bucket)}
    assert exchange.rows("SELECT refusal, refused_at FROM dead_letters") == [(None, None)]


def test_a_letter_of_a_record_that_is_canonical_all_the_same_is_closed_by_reconcile(
    exchange: Exchange,
) -> None:
    """The ledger was lost after the record became canonical, and its next delivery failed."""
    without_bytes(exchange, LATE[0])
    assert asked(exchange, action="redrive", all=True)["redriven"]
    assert exchange.normalizer().normalize(kafka_event(*sent_again(exchange), first_offset=10)).canonical == 1
    for table in ("processing_stage_state", "dead_letters"):
        exchange.rows(f"DELETE FROM {table}")
    obstore.delete(exchange.store(), [LATE[0].object_key])
    bury(exchange, LATE[0], first_offset=20)
    exchange.put(LATE[0])
    assert states(exchange) == [("dead", 0)]
    assert reconcile(exchange, repair=True)["repaired"] == 1
    assert states(exchange) == [("resolved", 0)]
    assert exchange.rows("SELECT state FROM processing_stage_state") == [("succeeded",)]


def test_a_letter_in_somebody_s_hands_is_left_for_the_next_time(exchange: Exchange) -> None:
    bury(exchange, LATE[0])
    statement = "SELECT FROM processing_stage_state FOR UPDATE"
    with exchange.connect_as("exchange_normalize").transaction() as transaction:
        transaction.execute(statement)
        report = asked(exchange, action="redrive", all=True)
    assert (report["redriven"], report["refused"], report["remaining"]) == ([], [], 1)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "action"),
        ({"action": "delete"}, "action"),
        ({"action": "list", "by": "Zq"}, "by"),
        ({"action": "list", "by": "letter", "limit": 501}, "limit"),
        ({"action": "list", "by": "letter", "after": "Zq"}, "after"),
        ({"action": "show"}, "dead_letter_id"),
        ({"action": "show", "dead_letter_id": 4711}, "dead_letter_id"),
        ({"action": "show", "dead_letter_id": 2**63}, "dead_letter_id"),
        ({"action": "redrive"}, "$"),
        ({"action": "redrive", "all": True, "reason": "a1b2c3d4"}, "$"),
        ({"action": "redrive", "all": True, "Zqfield": 1}, "$"),
        ({"action": "redrive", "all": "Zq"}, "all"),
        ({"action": "redrive", "reason": "Zq"}, "reason"),
        ({"action": "redrive", "dead_letter_ids": "1"}, "dead_letter_ids"),
        ({"action": "redrive", "dead_letter_ids": []}, "dead_letter_ids"),
        ({"action": "redrive", "dead_letter_ids": [1, "Zq"]}, "dead_letter_ids.1"),
        ({"action": "redrive", "all": True, "limit": -1}, "limit"),
        ({"action": "redrive", "all": True, "as_of": "yesterday"}, "as_of"),
        ({"action": "redrive", "all": True, "as_of": "2026-11-24T12:00:00"}, "as_of"),
        ({"action": "redrive", "all": True, "dry_run": "Zq"}, "dry_run"),
        ({"action": "redrive", "all": True, "case": "because of Mr. Zq"}, "case"),
    ],
)
def test_a_request_that_says_too_little_or_nonsense_is_refused_by_field(
    exchange: Exchange, event: dict[str, Any], field: str
) -> None:
    with pytest.raises(ContractViolation) as refused:
        asked(exchange, **event)
    assert refused.value.field == field
    assert "Zq" not in str(refused.value)
