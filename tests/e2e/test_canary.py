"""No personal data leaves the raw bucket: people with unique names pass through every path, good and bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from infra.system.layout import BUCKET, TOPICS
from tests.e2e.bad_requests import BODIES, CANARY, FIELDS, KEYS, TYPES
from tests.e2e.running_system import RunningSystem, send, wait_until

INVOKE = "/2015-03-31/functions"
CONTRACTS = Path(__file__).parents[2] / "contracts"
PERSON = {
    "given_name": "Xanthippezqv",
    "family_name": "Wojtkiewiczqzx",
    "dob": "1937-08-19",
    "ssn": "907-31-5577",
}
# The values of a person or a record that must not be found, in every form in which they might be written.
SECRETS = (
    *(CANARY, "Xanthippezqv", "Wojtkiewiczqzx", "1937-08-19", "19370819", "907-31-5577", "907315577"),
    *("ZQVISIT", "ZQMEMBER", "ZQTEXT", "ZQKEY"),
)
FREE_TEXT = {"admit_reason", "billing_note", "pathologist_comment", "remarks", "claim_note", "lab_comment"}
IDENTIFIERS = {
    "visit_number": "ZQVISIT-1",
    "claim_number": "ZQVISIT-2",
    "accession_number": "ZQVISIT-3",
    "encounter_id": "ZQVISIT-4",
    "medical_record_number": "ZQMEMBER-1",
    "member_id": "ZQMEMBER-2",
}
HINTS = {"partnerA.v1": "hospital-a", "partnerA.v2": "hospital-a", "partnerB.v1": "hospital-b"}


def personal(payload: dict[str, Any]) -> dict[str, Any]:
    """Return the payload with every number and every free text replaced by a searchable one."""
    out: dict[str, Any] = {}
    for name, value in payload.items():
        if name in IDENTIFIERS:
            out[name] = IDENTIFIERS[name]
        elif name in FREE_TEXT or name in {"display", "comment", "description", "text", "line_note"}:
            out[name] = "ZQTEXT Xanthippezqv was seen"
        elif isinstance(value, dict) and {"system", "value"} <= value.keys():
            out[name] = value | {"value": "ZQMEMBER-3" if name == "subject" else "ZQVISIT-5"}
        elif isinstance(value, dict):
            out[name] = personal(value)
        elif isinstance(value, list):
            out[name] = [personal(entry) if isinstance(entry, dict) else entry for entry in value]
        else:
            out[name] = value
    return out


def good_bodies() -> Iterator[bytes]:
    for hint, source in HINTS.items():
        for kind in ("encounter", "claim", "lab_result"):
            schema = json.loads((CONTRACTS / "partners" / hint / f"{kind}.json").read_bytes())
            document = {"source": source, "record_kind": kind, "schema_hint": hint, "patient": PERSON}
            yield json.dumps(document | {"payload": personal(schema["examples"][0])}).encode()


def bad_payloads() -> Iterator[bytes]:
    """Yield bodies that ingest accepts, but that are refused behind the queue."""
    for payload in (
        {"ZQTEXT": "ZQTEXT"},
        {"visit_number": "ZQVISIT 1 ZQTEXT", "medical_record_number": ["ZQMEMBER"]},
        {"patient": PERSON},
        {"utc_offset": "1937-08-19"},
    ):
        for hint, source in HINTS.items():
            document = {"source": source, "record_kind": "encounter", "schema_hint": hint, "patient": PERSON}
            yield json.dumps(document | {"payload": payload}).encode()


BAD_EVENTS = (
    b"Dear Xanthippezqv Wojtkiewiczqzx, born 1937-08-19",
    json.dumps(PERSON).encode(),
    json.dumps({"event_version": "2", "event_type": "record.ingested", "patient": PERSON}).encode(),
    b'{"Xanthippezqv": NaN}',
    b"\xff\xfe Xanthippezqv",
)


class Haystacks:
    """The bytes to search for personal data, by the place that they were found in."""

    def __init__(self) -> None:
        self.by_place: dict[str, bytes] = {}

    def add(self, place: str, content: bytes | str) -> None:
        self.by_place[place] = content if isinstance(content, bytes) else content.encode()

    def findings(self) -> list[tuple[str, str]]:
        return [
            (secret, place)
            for place, content in self.by_place.items()
            for secret in SECRETS
            if secret.lower().encode() in content.lower()
        ]


@pytest.fixture(scope="module")
def searched(system: RunningSystem) -> Haystacks:
    """Return the bytes of every place, after good and bad records have passed through every path."""
    haystacks = Haystacks()
    headers = [("Authorization", "Bearer dev"), ("Content-Type", "application/json")]
    record_ids = []
    for number, body in enumerate([*good_bodies(), *bad_payloads()]):
        answer = send(
            system.addresses.ingest,
            "POST",
            "/v2/ingest",
            [*headers, ("Idempotency-Key", f"ZQKEY-{number:04}")],
            body,
        )
        assert answer.status == 202, answer
        record_ids.append(answer.json["record_id"])
        haystacks.add(f"answer {number}", answer.everything)
    for name, bad in (KEYS | TYPES | BODIES | FIELDS).items():
        answer = send(system.addresses.ingest, "POST", bad.path, bad.headers_to_send(), bad.body)
        haystacks.add(f"answer to {name}", answer.everything)
    for person in (PERSON, PERSON | {"dob": "1937-08-19T"}, PERSON | {"given_name": "Xanthippezqv|"}):
        answer = send(system.addresses.tokenize, "POST", "/tokenize", headers, json.dumps(person).encode())
        haystacks.add(f"answer of tokenize, {answer.status}", answer.everything)
    answer = send(
        system.addresses.lambda_,
        "POST",
        f"{INVOKE}/TokenizeFunction/invocations",
        [],
        json.dumps({"profile": "v1", "people": [PERSON], "Xanthippezqv": 1}).encode(),
    )
    assert "x-amz-function-error" in answer.headers
    haystacks.add("answer of a failed invoke", answer.everything)
    with closing(KafkaProducer(bootstrap_servers=[system.addresses.kafka_brokers])) as producer:
        for value in BAD_EVENTS:
            for topic in ("record.ingested.v1", "record.ingested.v2"):
                producer.send(topic, key=b"Xanthippezqv", value=value).get(timeout=30)
    wait_until(lambda: system.settled(record_ids), "all records are settled")
    unreadable = "SELECT count(*) FROM dead_letters WHERE stage = 'parse_event'"
    wait_until(lambda: system.rows(unreadable)[0][0] >= 2 * len(BAD_EVENTS), "all bad events are buried")
    wait_until(
        lambda: system.rows("SELECT count(*) FROM outbox_events WHERE published_at IS NULL") == [(0,)],
        "all dead letters are published",
    )
    operate(system, record_ids, haystacks)
    # The scheduled publisher still lingers and has logged nothing yet; this one logs at once.
    send(system.addresses.lambda_, "POST", f"{INVOKE}/OutboxPublishFunction/invocations", [], b"{}")
    wait_until(lambda: b"REPORT" in log_of(system, "OutboxPublishFunction"), "the log is written")
    collect(system, haystacks)
    return haystacks


def operate(system: RunningSystem, record_ids: list[str], haystacks: Haystacks) -> None:
    """Trace, redrive and erase these people's records as an operator does, by good and bad requests."""

    numbered = count()

    def ask(function: str, **event: object) -> Any:
        answer = send(
            system.addresses.lambda_,
            "POST",
            f"{INVOKE}/{function}/invocations",
            [],
            json.dumps(event).encode(),
        )
        haystacks.add(f"answer {next(numbered)} to an operator, of {function}", answer.everything)
        return answer.json

    for record_id in record_ids:
        ask("LineageFunction", record_id=record_id)
    ask("RedriveFunction", action="list")
    letters = ask("RedriveFunction", action="list", by="letter", limit=500)["dead_letters"]
    numbers = [letter["dead_letter_id"] for letter in letters]
    for number in numbers:
        ask("RedriveFunction", action="show", dead_letter_id=number)
    assert ask("RedriveFunction", action="redrive", dead_letter_ids=numbers)["redriven"]
    ask("RedriveFunction", action="redrive", reason="Xanthippezqv", Xanthippezqv=1)
    found = ask("EraseFunction", partner_id="partnerA", person=PERSON, dry_run=True)["record_ids"]
    assert set(found) & set(record_ids)
    for bad in ({"dob": "1937-08-19T"}, {"given_name": "Xanthippezqv|"}, {"Xanthippezqv": 1}):
        assert "errorMessage" in ask("EraseFunction", partner_id="partnerA", person=PERSON | bad)
    assert "errorMessage" in ask("EraseFunction", partner_id="Xanthippezqv", person=PERSON)
    assert "errorMessage" in ask("EraseFunction", record_ids=["Xanthippezqv"])
    # One canonical record is erased; the others stay, to be searched for.
    assert ask("EraseFunction", record_ids=found[:1])["receipt"]["complete"]
    wait_until(
        lambda: system.rows("SELECT count(*) FROM dead_letters WHERE state = 'redriven'") == [(0,)],
        "what was redriven is settled again",
    )
    ask("RetainFunction")


def log_of(system: RunningSystem, function: str) -> bytes:
    return next((system.data_dir / "logs").rglob(f"{function}.log")).read_bytes()


def collect(system: RunningSystem, haystacks: Haystacks) -> None:
    for path in sorted((system.data_dir / "logs").rglob("*")):
        if path.is_file():
            haystacks.add(f"log {path.name}", path.read_bytes())
    for table in system.tables():
        rows = system.rows(f"SELECT t::text FROM {table} AS t")
        haystacks.add(f"table {table}", "\n".join(row for (row,) in rows))
        # the bytes of events and letters are text
        if table == "outbox_events":
            values = system.rows("SELECT value FROM outbox_events")
            haystacks.add("values of the outbox", b"\n".join(bytes(value) for (value,) in values))
        if table == "dead_letters":
            values = system.rows("SELECT event FROM dead_letters WHERE event IS NOT NULL")
            haystacks.add("events of dead letters", b"\n".join(bytes(value) for (value,) in values))
    for topic in TOPICS:
        haystacks.add(f"topic {topic}", b"\n".join(read_all(system, topic)))
    for url in (system.addresses.ingest, system.addresses.admin):
        haystacks.add(f"metrics of {url}", send(url, "GET", "/metrics").body)
    haystacks.add("status of the runner", send(system.addresses.admin, "GET", "/status").body)
    client = system.s3
    for key in system.object_keys():
        haystacks.add(f"metadata of {key}", str(client.head_object(Bucket=BUCKET, Key=key)["Metadata"]) + key)


def read_all(system: RunningSystem, topic: str) -> list[bytes]:
    """Return keys, values and headers of all records except those that this test produced itself."""
    return [
        part
        for record in system.read_topic(topic)
        if record.value not in BAD_EVENTS
        for part in (record.key or b"", record.value or b"", repr(record.headers).encode())
    ]


def test_nobody_is_found_outside_the_raw_bucket(searched: Haystacks) -> None:
    assert searched.findings() == []


def test_the_search_looked_everywhere(searched: Haystacks, system: RunningSystem) -> None:
    places = searched.by_place
    assert {f"table {name}" for name in system.tables()} <= places.keys()
    assert {f"topic {name}" for name in TOPICS} <= places.keys()
    for function in (
        *("IngestFunction", "TokenizeFunction", "NormalizeFunction", "OutboxPublishFunction"),
        *("LineageFunction", "RedriveFunction", "EraseFunction", "RetainFunction"),
    ):
        assert b"START" in places[f"log {function}.log"]
    for place in (
        "table canonical_encounters",
        "table dead_letters",
        "topic record.ingested.v2.dlq",
        "values of the outbox",
        "events of dead letters",
        "table tombstones",
    ):
        assert places[place], place


def test_the_search_would_find_somebody(searched: Haystacks, system: RunningSystem) -> None:
    """The raw objects are the only place that holds these values."""
    bodies = b"".join(
        system.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in system.object_keys()
    )
    assert [secret for secret in SECRETS if secret.encode() in bodies]
    planted = Haystacks()
    planted.add("somewhere", b"... born 1937-08-19, called XANTHIPPEZQV ...")
    assert planted.findings() == [("Xanthippezqv", "somewhere"), ("1937-08-19", "somewhere")]


def test_what_is_kept_of_a_birth_date_is_its_year(searched: Haystacks) -> None:
    assert b"1937" in searched.by_place["table canonical_records"]
