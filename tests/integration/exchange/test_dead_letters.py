"""A dead letter is seen, its cause mended, its event sent again: once, and not round and round."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchange.errors import ContractViolation
from exchange.intake.model import Submission
from exchange.ledger.dead_letters import DeadLetters, operate
from tests.integration.exchange.building import SAM, Exchange, kafka_event, submission

LATE = [submission(f"key-of-a-late-one-{number}", person=SAM | {"family_name": "Zq"}) for number in range(3)]
MISFIT = submission("key-of-a-misfit", payload={"Zqpayload": 1})


def asked(exchange: Exchange, **event: Any) -> dict[str, Any]:
    return operate(DeadLetters(exchange.connect_as("exchange_redrive")), event, "the-request-id")


def bury(exchange: Exchange, *records: Submission, first_offset: int = 0) -> None:
    """All of them go the way of their failure to its end."""
    event = kafka_event(*map(exchange.event, records), first_offset=first_offset)
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
    assert (first["dead_letters"], first["stage"], first["error_message"], first["redrivable"]) == (
        *(3, "fetch_raw_object", "raw_object.key: the object is not there", 3),
    )
    assert (second["dead_letters"], second["stage"]) == (1, "normalize")
    letters = asked(exchange, action="list", by="letter", reason=first["reason"])["dead_letters"]
    assert [letter["record_id"] for letter in letters] == [str(record.record_id) for record in LATE]
    page = asked(exchange, action="list", by="letter", limit=2, after=letters[0]["dead_letter_id"])
    assert len(page["dead_letters"]) == 2
    shown = asked(exchange, action="show", dead_letter_id=letters[0]["dead_letter_id"])
    assert (shown["state"], shown["attempts"], shown["redrivable"]) == ("dead", 5, True)
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
    # byte for byte what was delivered first
    assert sent_again(exchange) == [exchange.event(record) for record in LATE]
    again = kafka_event(*sent_again(exchange), first_offset=10)
    assert exchange.normalizer().normalize(again).canonical == 3
    assert states(exchange) == [("resolved", 1)] * 3
    assert asked(exchange, action="list")["reasons"] == []
    assert (
        exchange.rows("SELECT action, outcome, correlation_id FROM audit_log")
        == [("redrive", "redriven", "the-request-id")] * 3
    )


def test_a_redriven_record_that_fails_again_is_dead_again_and_waits_to_be_asked_for(
    exchange: Exchange,
) -> None:
    bury(exchange, LATE[0])
    began = asked(exchange, action="redrive", all=True)
    assert states(exchange) == [("redriven", 1)]
    # five attempts anew, and then one letter still
    bury(exchange, LATE[0], first_offset=10)
    assert states(exchange) == [("dead", 1)]
    assert exchange.rows("SELECT kafka_offset, attempts FROM dead_letters") == [(10, 5)]
    ((messages,),) = exchange.rows("SELECT count(*) FROM outbox_events WHERE topic LIKE '%%.dlq'")
    assert messages == 2
    # the same run does not take it again, another does
    assert asked(exchange, action="redrive", all=True, as_of=began["as_of"])["redriven"] == []
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


def test_what_could_not_be_read_is_listed_by_its_hash_and_cannot_be_redriven(exchange: Exchange) -> None:
    exchange.normalizer().normalize(kafka_event(b"Dear Mr. Zq"))
    exchange.normalizer().normalize(kafka_event(b"Dear Mr. Zq"))
    # a topic that was made anew has the same offsets for other deliveries
    exchange.normalizer().normalize(kafka_event(b"Dear Mrs. Zq"))
    (reason,) = asked(exchange, action="list")["reasons"]
    assert (reason["dead_letters"], reason["redrivable"]) == (2, 0)
    assert asked(exchange, action="redrive", all=True)["redriven"] == []


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"action": "delete"}, "action"),
        ({"action": "show"}, "dead_letter_id"),
        ({"action": "show", "dead_letter_id": 4711}, "dead_letter_id"),
        ({"action": "redrive"}, "$"),
        ({"action": "redrive", "all": True, "reason": "a1b2c3d4"}, "$"),
        ({"action": "redrive", "dead_letter_ids": "1"}, "dead_letter_ids"),
        ({"action": "redrive", "all": True, "limit": -1}, "limit"),
        ({"action": "redrive", "all": True, "as_of": "yesterday"}, "as_of"),
    ],
)
def test_a_request_that_says_too_little_or_nonsense_is_refused_by_field(
    exchange: Exchange, event: dict[str, Any], field: str
) -> None:
    with pytest.raises(ContractViolation) as refused:
        asked(exchange, **event)
    assert refused.value.field == field
