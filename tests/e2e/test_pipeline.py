"""The pipeline from an HTTP request to a canonical row, on the system that a newcomer starts."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from exchange.platform.contracts import contract
from exchange.platform.strict_json import parse_json
from infra.system.local_tokens import sign_token
from tests.e2e.running_system import Answer, RunningSystem, send, wait_until

CONTRACTS = Path(__file__).parents[2] / "contracts"
HINTS = {"partnerA.v1": "partnerA", "partnerA.v2": "hospital-a", "partnerB.v1": "hospital-b"}
KINDS = ("encounter", "claim", "lab_result")


def example(hint: str, kind: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((CONTRACTS / "partners" / hint / f"{kind}.json").read_bytes())[
        "examples"
    ][0]
    return payload


def body(
    name: str, *, hint: str = "partnerA.v2", kind: str = "encounter", source: str | None = None
) -> bytes:
    patient = {"given_name": name, "family_name": "Pipeline", "dob": "1971-03-04", "ssn": None}
    document = {"source": source or HINTS[hint], "record_kind": kind, "schema_hint": hint, "patient": patient}
    return json.dumps(document | {"payload": example(hint, kind)}).encode()


def body_v1(name: str, source: str, kind: str, hint: str) -> bytes:
    patient = {"first_name": name, "last_name": "Pipeline", "dob": "1971-03-04"}
    document = {"source": source, "record_type": kind, "patient": patient, "payload": example(hint, kind)}
    return json.dumps(document).encode()


def post(
    system: RunningSystem, path: str, content: bytes, key: str, authorization: str = "Bearer dev"
) -> Answer:
    headers = [
        ("Authorization", authorization),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", key),
        ("X-Correlation-Id", f"correlation-of-{key}"),
    ]
    return send(system.addresses.ingest, "POST", path, headers, content)


def accepted(answer: Answer) -> str:
    assert answer.status == 202, answer
    contract("api/schemas/accepted").validate(answer.json)
    record_id: str = answer.json["record_id"]
    return record_id


def test_every_partner_s_record_of_every_kind_becomes_canonical(system: RunningSystem) -> None:
    sent: dict[str, tuple[str, str]] = {}
    for hint in HINTS:
        for kind in KINDS:
            content = body("Every", hint=hint, kind=kind)
            sent[accepted(post(system, "/v2/ingest", content, f"every-v2-{hint}-{kind}"))] = (kind, hint)
    for source, hint in (("hospital-a", "partnerA.v1"), ("partnerB", "partnerB.v1")):
        for kind in KINDS:
            content = body_v1("Every", source, kind, hint)
            sent[accepted(post(system, "/v1/ingest", content, f"every-v1-{hint}-{kind}"))] = (kind, hint)
    wait_until(lambda: system.settled(list(sent)), "all records are settled")
    rows = system.rows(
        "SELECT record_id::text, record_kind, schema_hint, birth_year FROM canonical_records"
        " WHERE record_id = ANY (%s::uuid[])",
        list(sent),
    )
    assert {record_id: (kind, hint) for record_id, kind, hint, _ in rows} == sent
    assert {birth_year for *_, birth_year in rows} == {1971}
    # one person in three formats and two versions of the API has one token
    tokens = system.rows(
        "SELECT DISTINCT token FROM patient_tokens WHERE record_id = ANY (%s::uuid[])", list(sent)
    )
    assert len(tokens) == 1
    person = {"given_name": " EVERY", "family_name": "pipeline ", "dob": "1971-03-04"}
    headers = [("Authorization", "Bearer dev"), ("Content-Type", "application/json")]
    for url in (system.addresses.ingest, system.addresses.tokenize):
        answer = send(url, "POST", "/tokenize", headers, json.dumps(person).encode())
        assert [(answer.json["patient_token"],)] == tokens


def test_the_same_request_again_gets_the_same_bytes_and_nothing_new(system: RunningSystem) -> None:
    content = body("Again")
    first = post(system, "/v2/ingest", content, "again-0001")
    record_id = accepted(first)
    wait_until(lambda: system.settled([record_id]), "the record is settled")
    before = system.counts()
    again = post(system, "/v2/ingest", content, "again-0001")
    assert (again.status, again.json) == (first.status, first.json)
    changed = post(system, "/v2/ingest", body("Changed"), "again-0001")
    assert (changed.status, changed.json["code"], changed.json["field"]) == (
        409,
        "idempotency_conflict",
        "Idempotency-Key",
    )
    assert system.counts() == before


def test_sixty_four_at_once_over_http_are_one_record(system: RunningSystem) -> None:
    content = body("Crowd")
    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(lambda _: post(system, "/v2/ingest", content, "crowd-0001"), range(64)))
    assert Counter(answer.status for answer in answers) == {202: 64}
    assert len({answer.body for answer in answers}) == 1
    record_id = answers[0].json["record_id"]
    wait_until(lambda: system.settled([record_id]), "the record is settled")
    for table in ("raw_object_manifest", "canonical_records"):
        assert system.rows(f"SELECT count(*) FROM {table} WHERE record_id = %s", record_id) == [(1,)]
    assert len([key for key in system.object_keys() if record_id in key]) == 1
    assert system.rows("SELECT count(*) FROM outbox_events WHERE key = %s", record_id) == [(1,)]


def test_a_partner_s_own_token_sends_for_its_sources(system: RunningSystem) -> None:
    token = sign_token(system.addresses.jwt_secret, "partnerB")
    content = body("Token", hint="partnerB.v1", source="partnerB")
    record_id = accepted(post(system, "/v2/ingest", content, "token-0001", f"Bearer {token}"))
    ((partner_id,),) = system.rows(
        "SELECT partner_id FROM raw_object_manifest WHERE record_id = %s", record_id
    )
    assert partner_id == "partnerB"
    wait_until(lambda: system.settled([record_id]), "the record is settled")


def test_the_event_on_the_topic_is_the_one_that_was_committed(system: RunningSystem) -> None:
    record_id = accepted(post(system, "/v2/ingest", body("Topic"), "topic-0001"))
    wait_until(lambda: system.settled([record_id]), "the record is settled")
    ((value,),) = system.rows("SELECT value FROM outbox_events WHERE key = %s", record_id)
    assert bytes(value) in [
        record.value for record in system.read_topic("record.ingested.v2") if record.key == record_id.encode()
    ]
    contract("events/record.ingested.v2").validate(parse_json(bytes(value)))


def test_a_payload_that_breaks_its_contract_ends_on_the_dead_letter_topic(system: RunningSystem) -> None:
    document = json.loads(body("Broken"))
    document["payload"] = {"identifier": 1}
    record_id = accepted(post(system, "/v2/ingest", json.dumps(document).encode(), "broken-0001"))
    wait_until(lambda: system.settled([record_id]), "the record is settled")

    def letters() -> list[dict[str, Any]]:
        return [
            json.loads(record.value)
            for record in system.read_topic("record.ingested.v2.dlq")
            if record.key == record_id.encode()
        ]

    wait_until(lambda: bool(letters()), "the dead letter is on its topic")
    (letter,) = letters()
    contract("events/record.dead_letter.v2").validate(letter)
    assert (letter["error"]["stage"], letter["attempts"]) == ("normalize", 1)
    assert system.rows("SELECT count(*) FROM canonical_records WHERE record_id = %s", record_id) == [(0,)]


def test_an_object_that_ingest_took_and_nobody_finds_any_more_dies_after_five_attempts(
    system: RunningSystem,
) -> None:
    """The event is written by hand, and its object never existed."""
    record_id = accepted(post(system, "/v2/ingest", body("Vanished"), "vanished-0001"))
    wait_until(lambda: system.settled([record_id]), "the record is settled")
    ((value,),) = system.rows("SELECT value FROM outbox_events WHERE key = %s", record_id)
    ghost = "00000000-0000-5000-8000-000000000001"
    event = bytes(value).replace(record_id.encode(), ghost.encode())
    system.rows(
        "INSERT INTO outbox_events (shard, topic, key, value) VALUES (0, 'record.ingested.v2', %s, %s)",
        ghost,
        event,
    )
    wait_until(lambda: system.settled([ghost]), "the ghost is settled")
    assert system.rows("SELECT stage, attempts FROM dead_letters WHERE record_id = %s", ghost) == [
        ("fetch_raw_object", 5)
    ]


def test_metrics_count_what_happened(system: RunningSystem) -> None:
    post(system, "/v1/ingest", b"{}", "metrics-0001")
    page = send(system.addresses.ingest, "GET", "/metrics")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in page.body.decode().splitlines() if not line.startswith("#"))
    assert int(lines['ingest_requests_total{route="/v1/ingest",status="400"}']) >= 1
    assert {"outbox_pending", "outbox_publish_failures_total", "metrics_scrape_errors_total"} <= lines.keys()


@pytest.mark.parametrize("api", ["ingest", "tokenize"])
def test_both_services_are_healthy_without_a_token(system: RunningSystem, api: str) -> None:
    answer = send(getattr(system.addresses, api), "GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_tokenize_takes_a_batch_through_the_lambda_api(system: RunningSystem) -> None:
    client = boto3.client(
        "lambda",
        endpoint_url=system.addresses.lambda_,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    person = {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01"}
    event = {"profile": "v1", "people": [person, {**person, "dob": "never"}], "identifiers": []}
    answer = client.invoke(FunctionName="TokenizeFunction", Payload=json.dumps(event).encode())
    assert "FunctionError" not in answer
    good, bad = json.loads(answer["Payload"].read())["people"]
    assert good["tokens"][0]["token"] == "ce8ae21533b5c005f4e53a1d146221339bb8019cea6eb6981e29ea1d2884d7f6"
    assert bad["error"]["field"] == "dob"
