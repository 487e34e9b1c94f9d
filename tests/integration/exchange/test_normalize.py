"""Every record becomes canonical or a dead letter, once, and no record blocks another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

import pytest

from exchange.errors import DependencyUnavailable
from exchange.intake.model import Submission
from exchange.partners.model import Partner
from exchange.partners.service import PartnerRegistry
from exchange.platform.contracts import contract
from exchange.platform.functions import Function
from exchange.platform.objects import Objects
from exchange.platform.strict_json import parse_json
from exchange.raw.reader import RawReader
from exchange.records.canonicalizer import Canonicalizer
from exchange.records.formats import map_record
from exchange.records.service import Normalizer
from exchange.tokens.identifier import identifier_token
from exchange.tokens.keys import TokenKey
from exchange.tokens.profile_v1 import person_token
from tests.integration.exchange.harness import (
    CONTRACT_OF_TOPIC,
    SAM,
    TOKENIZER_SECRET,
    TOPICS,
    Exchange,
    InProcessTokenizer,
    example,
    kafka_event,
    object_metadata,
    sha256,
    submission,
)

KINDS = ("encounter", "claim", "lab_result")
HINTS = ("partnerA.v1", "partnerA.v2", "partnerB.v1")
# the v1 API has no hints: its records get their partner's default
COMBINATIONS = [
    (version, kind, hint)
    for version in ("1", "2")
    for hint in HINTS
    for kind in KINDS
    if (version, hint) != ("1", "partnerA.v2")
]
TABLE_OF = {
    "encounter": "canonical_encounters",
    "claim": "canonical_claims",
    "lab_result": "canonical_lab_results",
}
DETAILS_OF = {
    "claim": ("lines", "canonical_claim_lines"),
    "lab_result": ("observations", "canonical_lab_observations"),
}
KEY = TokenKey("1", TOKENIZER_SECRET.encode())


class NoTokenizer(Function):
    """A tokenize function that does not answer."""

    def __init__(self) -> None:
        pass

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        raise DependencyUnavailable("the function TokenizeFunction did not answer")


class TokenizerThatThen(InProcessTokenizer):
    """Tokenizes, then calls a function."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self._then = then

    def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
        answer = super().invoke(payload)
        self._then()
        return answer


def dead_letters(exchange: Exchange) -> list[tuple[str, int, str]]:
    return exchange.rows("SELECT stage, attempts, error_message FROM dead_letters ORDER BY dead_letter_id")


def messages(exchange: Exchange, version: str = "2") -> list[dict[str, Any]]:
    """Return the dead-letter messages, after validating each by its contract."""
    rows = exchange.rows(
        "SELECT value FROM outbox_events WHERE topic = %s ORDER BY outbox_id", f"{TOPICS[version]}.dlq"
    )
    letters: list[dict[str, Any]] = [json.loads(bytes(value)) for (value,) in rows]
    for letter in letters:
        contract(f"events/record.dead_letter.v{version}").validate(letter)
    return letters


def attempts_of(exchange: Exchange, record: Submission) -> tuple[str, int]:
    (row,) = exchange.rows(
        "SELECT state, attempts FROM processing_stage_state WHERE record_id = %s", record.record_id
    )
    state, attempts = row
    return state, attempts


def columns(
    exchange: Exchange, table: str, record: Submission, order: str = "record_id"
) -> list[dict[str, Any]]:
    rows = exchange.rows(
        f"SELECT to_jsonb(t) - 'record_id' FROM {table} AS t WHERE record_id = %s ORDER BY {order}",
        record.record_id,
    )
    return [row for (row,) in rows]


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """Return a dataclass's fields as Postgres writes them in JSON."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Decimal):
            out[name] = pytest.approx(float(value))
        elif isinstance(value, tuple):
            out[name] = list(value)
        elif hasattr(value, "isoformat"):
            out[name] = value.isoformat()
        else:
            out[name] = value
    return out


@pytest.mark.parametrize(("version", "kind", "hint"), COMBINATIONS, ids=str)
def test_a_record_becomes_exactly_the_rows_that_its_mapping_says(
    exchange: Exchange, version: str, kind: str, hint: str
) -> None:
    record = submission("key-00000001", version=version, kind=kind, hint=hint)
    exchange.put(record)
    report = exchange.normalizer().normalize(kafka_event(exchange.event(record), topic=TOPICS[version]))
    assert (report.canonical, report.repeated, report.dead_letters, report.retry) == (1, 0, 0, [])

    draft = map_record(json.loads(record.body), record_kind=kind, schema_hint=hint).draft
    row = asdict(
        draft.complete(
            [
                identifier_token(
                    KEY.identifier_secret, kind=i.kind, partner_id=record.partner_id, value=i.value
                )
                for i in draft.identifiers
            ]
        )
    )
    details, details_table = DETAILS_OF.get(kind, (None, ""))
    if details:
        expected = [as_json(detail) for detail in row.pop(details)]
        assert columns(exchange, details_table, record, "ordinal") == expected
    assert columns(exchange, TABLE_OF[kind], record) == [as_json(row)]
    assert columns(exchange, "canonical_records", record) == [
        {
            "partner_id": record.partner_id,
            "source": record.source,
            "record_kind": kind,
            "schema_hint": hint,
            "birth_year": 1990,
        }
    ]
    token = person_token(
        KEY.secret, given_name="Sam", family_name="Lee", birth_date="1990-01-01", ssn="123-45-6789"
    )
    assert columns(exchange, "patient_tokens", record) == [
        {"profile": "v1", "key_version": "1", "rule": "v1", "token": token}
    ]
    assert attempts_of(exchange, record) == ("succeeded", 1)


def test_a_batch_is_one_call_to_tokenize(exchange: Exchange) -> None:
    records = [submission(f"key-{n:08}", kind=KINDS[n % 3]) for n in range(30)]
    for record in records:
        exchange.put(record)
    tokenizer = InProcessTokenizer()
    report = exchange.normalizer(tokenizer=tokenizer).normalize(kafka_event(*map(exchange.event, records)))
    assert report.canonical == 30
    assert tokenizer.calls == 1


GOOD = submission("key-of-a-good-one")
BAD = submission("key-of-a-bad-one")
ANOTHER = submission("key-of-another-one")


def prepared(exchange: Exchange, bad: Callable[[Exchange], bytes]) -> dict[str, Any]:
    """Return a batch with a bad event between two good ones."""
    last = submission("key-of-the-last-one")
    for record in (GOOD, last):
        exchange.put(record)
    return kafka_event(exchange.event(GOOD), bad(exchange), exchange.event(last))


CANARY = b"Quetzalcoatl"
UNREADABLE: dict[str, bytes] = {
    "nothing": b"",
    "not JSON": b"Dear Mr. Quetzalcoatl",
    "not UTF-8": b'{"a":"\xff"}',
    "NaN": b'{"a":NaN}',
    "a key twice": b'{"event_version":"2","event_version":"2"}',
    "too deep": b"[" * 20_000,
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "NUL": b'{"a":"\\u0000"}',
}
UNFIT: dict[str, dict[str, Any]] = {
    "an unknown version": {"event_version": "3"},
    "the other topic's version": {"event_version": "1"},
    "an unknown field": {"patient_name": "Quetzalcoatl"},
    "a record that is no UUID": {"record_id": "Quetzalcoatl"},
    "an unknown hint": {"schema_hint": "Quetzalcoatl"},
    "a key that leaves its place": {"raw_object": {"key": "../Quetzalcoatl.json"}},
    "a hash that is none": {"raw_object": {"sha256": "Quetzalcoatl"}},
    "no size": {"raw_object": {"size_bytes": 0}},
}


def test_an_event_that_cannot_be_read_is_a_dead_letter_without_its_text(exchange: Exchange) -> None:
    last = submission("key-of-the-last-one")
    for record in (GOOD, last):
        exchange.put(record)
    bad = UNREADABLE | {name: exchange.event(BAD, **changes) for name, changes in UNFIT.items()}
    event = kafka_event(exchange.event(GOOD), *bad.values(), exchange.event(last))
    report = exchange.normalizer().normalize(event)
    assert (report.canonical, report.dead_letters, report.retry) == (2, len(bad), [])
    assert {(stage, attempts) for stage, attempts, _ in dead_letters(exchange)} == {("parse_event", 0)}
    letters = messages(exchange)
    assert [
        (letter["unparseable_event"], letter["event_sha256"], letter["size_bytes"]) for letter in letters
    ] == [(True, sha256(value), len(value)) for value in bad.values()]
    assert CANARY.decode() not in json.dumps(letters)

    # delivered again, none of them becomes a second dead letter
    assert exchange.normalizer().normalize(event).repeated == 2
    assert len(dead_letters(exchange)) == len(messages(exchange)) == len(bad)


def changed_object(exchange: Exchange) -> bytes:
    exchange.put(BAD, body=BAD.body.replace(b"Sam", b"Tam"))
    return exchange.event(BAD)


def resized_object(exchange: Exchange) -> bytes:
    exchange.put(BAD, body=BAD.body + b" ")
    return exchange.event(BAD)


def oversized_object(exchange: Exchange) -> bytes:
    exchange.put(BAD, body=b" " * (4 * 1024 * 1024 + 1))
    return exchange.event(BAD)


def said_to_be_too_large(exchange: Exchange) -> bytes:
    return exchange.event(BAD, raw_object={"size_bytes": 4 * 1024 * 1024 + 1})


def another_bucket(exchange: Exchange) -> bytes:
    return exchange.event(BAD, raw_object={"bucket": "another-bucket"})


def another_source(exchange: Exchange) -> bytes:
    exchange.put(BAD)
    return exchange.event(BAD, source="hospital-b")


def the_object_of_another_record(exchange: Exchange) -> bytes:
    exchange.put(BAD)
    return exchange.event(BAD, record_id="5573a23f-05d6-4b02-9aff-4998ee4f6ac3")


def not_json(exchange: Exchange) -> bytes:
    record = replace(BAD, body=b"Quetzalcoatl")
    exchange.put(record)
    return exchange.event(record)


def with_payload(**payload: Any) -> Callable[[Exchange], bytes]:
    def store(exchange: Exchange) -> bytes:
        record = submission("key-of-a-bad-one", payload=example("partnerA.v2", "encounter") | payload)
        exchange.put(record)
        return exchange.event(record)

    return store


def with_metadata(**metadata: str) -> Callable[[Exchange], bytes]:
    def store(exchange: Exchange) -> bytes:
        told = dict(object_metadata(BAD)) | {
            name.replace("_", "-"): value for name, value in metadata.items()
        }
        exchange.objects().put(BAD.object_key, BAD.body, told)
        return exchange.event(BAD)

    return store


REJECTED: dict[str, tuple[Callable[[Exchange], bytes], str, str]] = {
    "a changed object": (changed_object, "fetch_raw_object", "raw_object.sha256: "),
    "an object of another size": (resized_object, "fetch_raw_object", "raw_object.size_bytes: "),
    "an object too large": (oversized_object, "fetch_raw_object", "raw_object.size_bytes: "),
    "a size too large": (said_to_be_too_large, "fetch_raw_object", "raw_object.size_bytes: "),
    "another bucket": (another_bucket, "fetch_raw_object", "raw_object.bucket: "),
    "another record's object": (the_object_of_another_record, "fetch_raw_object", "raw_object.key: "),
    "another source": (another_source, "normalize", "source: "),
    "a body that is not JSON": (not_json, "normalize", "$: "),
    "a payload with an unknown field": (with_payload(Quetzalcoatl=1), "normalize", "payload: "),
    "a payload without its number": (with_payload(identifier=None), "normalize", "payload.identifier: "),
    "a stay that ends before it begins": (
        with_payload(period={"start": "2024-03-05T14:30:00-05:00", "end": "2024-03-05T14:30:00Z"}),
        "normalize",
        "payload.period.end: ",
    ),
    "metadata of another kind": (with_metadata(record_kind="claim"), "normalize", "record_kind: "),
    "metadata of another hint": (with_metadata(schema_hint="partnerA.v1"), "normalize", "schema_hint: "),
}


@pytest.mark.parametrize(("store", "stage", "message"), REJECTED.values(), ids=REJECTED)
def test_a_record_that_never_fits_is_a_dead_letter_at_its_first_attempt(
    exchange: Exchange, store: Callable[[Exchange], bytes], stage: str, message: str
) -> None:
    event = prepared(exchange, store)
    report = exchange.normalizer().normalize(event)
    assert (report.canonical, report.dead_letters, report.retry) == (2, 1, [])
    ((said_stage, attempts, said),) = dead_letters(exchange)
    assert (said_stage, attempts) == (stage, 1)
    assert said.startswith(message)
    (letter,) = messages(exchange)
    assert letter["original_event"] == parse_json(store(exchange))
    assert letter["error"]["type"] == "RecordRejected"
    assert CANARY.decode() not in json.dumps(letter["error"])
    assert exchange.count("canonical_records") == 2

    # delivered again, all three count as repeated
    assert exchange.normalizer().normalize(event).repeated == 3
    assert len(messages(exchange)) == 1


def test_a_missing_object_is_asked_for_five_times_and_holds_nobody_up(exchange: Exchange) -> None:
    exchange.put(GOOD)
    event = kafka_event(exchange.event(BAD), exchange.event(GOOD))
    normalizer = exchange.normalizer()
    for attempt in range(1, 5):
        report = normalizer.normalize(event)
        assert [delivery.offset for delivery in report.retry] == [0]
        assert report.canonical == (1 if attempt == 1 else 0)
        assert attempts_of(exchange, BAD) == ("failed_retryable", attempt)
        assert dead_letters(exchange) == []
    report = normalizer.normalize(event)
    assert (report.dead_letters, report.retry) == (1, [])
    assert attempts_of(exchange, BAD) == ("dlq", 5)
    assert [(stage, attempts) for stage, attempts, _ in dead_letters(exchange)] == [("fetch_raw_object", 5)]
    assert messages(exchange)[0]["attempts"] == 5


def test_an_object_that_comes_late_is_not_too_late(exchange: Exchange) -> None:
    event = kafka_event(exchange.event(BAD))
    assert len(exchange.normalizer().normalize(event).retry) == 1
    exchange.put(BAD)
    assert exchange.normalizer().normalize(event).canonical == 1
    assert attempts_of(exchange, BAD) == ("succeeded", 2)


def test_a_record_twice_in_one_batch_and_again_in_the_next_is_one_row(exchange: Exchange) -> None:
    exchange.put(GOOD)
    value = exchange.event(GOOD)
    report = exchange.normalizer().normalize(kafka_event(value, value, value))
    assert (report.canonical, report.repeated) == (1, 2)
    report = exchange.normalizer().normalize(kafka_event(value, first_offset=3))
    assert (report.canonical, report.repeated) == (0, 1)
    assert exchange.count("canonical_records") == exchange.count("patient_tokens") == 1
    assert attempts_of(exchange, GOOD) == ("succeeded", 1)


def without_bucket(exchange: Exchange) -> dict[str, Any]:
    return {"objects": Objects(exchange.store(endpoint="http://127.0.0.1:9"))}


def without_tokenizer(exchange: Exchange) -> dict[str, Any]:
    return {"tokenizer": NoTokenizer()}


def losing_its_connection(exchange: Exchange) -> dict[str, Any]:
    return {"tokenizer": TokenizerThatThen(lambda: exchange.kill_connections_of("exchange_normalize"))}


@pytest.mark.parametrize("outage", [without_bucket, without_tokenizer])
def test_an_outage_counts_nothing_however_long_it_lasts(
    exchange: Exchange, outage: Callable[[Exchange], dict[str, Any]]
) -> None:
    exchange.put(GOOD)
    event = kafka_event(exchange.event(GOOD))
    broken = exchange.normalizer(**outage(exchange))
    for _ in range(7):
        with pytest.raises(DependencyUnavailable):
            broken.normalize(event)
    assert attempts_of(exchange, GOOD) == ("failed_retryable", 0)
    assert dead_letters(exchange) == []
    assert exchange.normalizer().normalize(event).canonical == 1
    assert attempts_of(exchange, GOOD) == ("succeeded", 1)


def test_a_database_that_fails_before_the_outcome_counts_nothing(exchange: Exchange) -> None:
    """The first statement of the settling transaction finds the connection dead and replaces it."""
    exchange.put(GOOD)
    normalizer = exchange.normalizer(**losing_its_connection(exchange))
    assert normalizer.normalize(kafka_event(exchange.event(GOOD))).canonical == 1
    assert attempts_of(exchange, GOOD) == ("succeeded", 1)


def test_a_database_that_goes_away_in_the_middle_counts_nothing(exchange: Exchange) -> None:
    exchange.put(GOOD)
    event = kafka_event(exchange.event(GOOD))

    def shut(allowed: bool) -> None:
        exchange.rows(
            f'{"GRANT" if allowed else "REVOKE"} CONNECT ON DATABASE "{exchange.database}"'
            f" {'TO' if allowed else 'FROM'} PUBLIC"
        )

    def go_away() -> None:
        shut(False)
        exchange.kill_connections_of("exchange_normalize")

    normalizer = exchange.normalizer(tokenizer=TokenizerThatThen(go_away))
    for _ in range(3):
        with pytest.raises(DependencyUnavailable):
            normalizer.normalize(event)
        shut(True)
        assert attempts_of(exchange, GOOD) == ("running", 1)
    normalizer = exchange.normalizer()
    assert normalizer.normalize(event).canonical == 1
    assert attempts_of(exchange, GOOD) == ("succeeded", 1)


def left_by_a_dead_environment(exchange: Exchange) -> None:
    exchange.rows("UPDATE processing_stage_state SET environment_id = 'died' WHERE state = 'running'")


def test_a_record_that_kills_its_environment_is_found_out_and_its_neighbours_are_not_blamed(
    exchange: Exchange,
) -> None:
    class Killed(BaseException):
        """Simulates the end of a process: no handler of an exception runs."""

    class DeadlyTokenizer(InProcessTokenizer):
        def __init__(self) -> None:
            super().__init__()
            self.alone: list[bool] = []

        def invoke(self, payload: dict[str, Any]) -> dict[str, Any]:
            people = [person["given_name"] for person in payload["people"]]
            if "Deadly" in people:
                self.alone.append(len(people) == 1)
                raise Killed
            return super().invoke(payload)

    deadly = submission("key-of-a-deadly-one", person=SAM | {"given_name": "Deadly"})
    records = [GOOD, deadly, ANOTHER]
    for record in records:
        exchange.put(record)
    event = kafka_event(*map(exchange.event, records))
    tokenizer = DeadlyTokenizer()
    for _ in range(5):
        with pytest.raises(Killed):
            exchange.normalizer(tokenizer=tokenizer).normalize(event)
        left_by_a_dead_environment(exchange)
    assert tokenizer.alone == [False, True, True, True, True]

    report = exchange.normalizer(tokenizer=tokenizer).normalize(event)
    assert len(tokenizer.alone) == 5
    assert report.dead_letters == 1
    assert [(stage, attempts) for stage, attempts, _ in dead_letters(exchange)] == [("start_attempt", 5)]
    assert messages(exchange)[0]["original_event"]["record_id"] == str(deadly.record_id)
    assert attempts_of(exchange, deadly) == ("dlq", 5)
    assert attempts_of(exchange, GOOD)[0] == attempts_of(exchange, ANOTHER)[0] == "succeeded"


def test_a_row_that_a_constraint_refuses_takes_no_other_with_it(exchange: Exchange) -> None:
    # A rule that the mapping does not know, as a later migration might add one.
    exchange.rows(
        "ALTER TABLE canonical_encounters ADD CONSTRAINT no_tuesdays CHECK (facility_id <> 'TUE-02')"
    )
    refused = submission(
        "key-of-a-bad-one",
        payload=example("partnerA.v2", "encounter") | {"serviceProvider": {"identifier": "TUE-02"}},
    )
    records = [GOOD, refused, ANOTHER, submission("key-of-a-claim", kind="claim")]
    for record in records:
        exchange.put(record)
    report = exchange.normalizer().normalize(kafka_event(*map(exchange.event, records)))
    assert (report.canonical, report.dead_letters, report.retry) == (3, 1, [])
    ((stage, attempts, message),) = dead_letters(exchange)
    assert (stage, attempts) == ("write_canonical", 1)
    assert "no_tuesdays" in message
    assert "TUE-02" not in message
    assert [attempts_of(exchange, record)[0] for record in records] == [
        *("succeeded", "dlq", "succeeded", "succeeded")
    ]


@pytest.mark.parametrize(
    ("version", "hint"), [("1", "partnerA.v1"), ("1", "partnerB.v1"), ("2", "partnerA.v2")]
)
def test_an_object_of_the_old_system_says_in_its_body_what_metadata_say_today(
    exchange: Exchange, version: str, hint: str
) -> None:
    record = submission("key-00000001", version=version, hint=hint)
    key = f"{record.source}/{record.record_id}.json"
    exchange.objects().put(key, record.body, {})
    event = exchange.event(record, raw_object={"key": key})
    assert exchange.normalizer().normalize(kafka_event(event, topic=TOPICS[version])).canonical == 1
    assert exchange.rows("SELECT partner_id, schema_hint FROM canonical_records") == [
        (record.partner_id, hint)
    ]


def test_an_old_object_of_a_source_that_nobody_owns_is_a_dead_letter(exchange: Exchange) -> None:
    exchange.objects().put(BAD.object_key, BAD.body, {})
    exchange.rows("DELETE FROM partner_sources WHERE source = %s", BAD.source)
    assert exchange.normalizer().normalize(kafka_event(exchange.event(BAD))).dead_letters == 1
    assert dead_letters(exchange) == [("normalize", 1, "source: belongs to no partner")]


def test_a_bucket_that_is_gone_is_an_outage_and_not_every_record_s_failure(
    exchange: Exchange, s3_client: Any
) -> None:
    event = kafka_event(exchange.event(GOOD))
    s3_client.delete_bucket(Bucket=exchange.bucket)
    try:
        with pytest.raises(DependencyUnavailable):
            exchange.normalizer().normalize(event)
    finally:
        s3_client.create_bucket(Bucket=exchange.bucket)
    assert attempts_of(exchange, GOOD) == ("failed_retryable", 0)


def test_a_fault_of_ours_over_one_record_does_not_hold_up_the_others(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    class FaultyRegistry(PartnerRegistry):
        def owner_of(self, source: str) -> Partner | None:
            raise KeyError(f"Quetzalcoatl in {source}")

    database = exchange.connect_as("exchange_normalize")
    reader = RawReader(exchange.objects(), FaultyRegistry(database), exchange.bucket)
    canonicalizer = Canonicalizer(reader, InProcessTokenizer())

    def old_object(exchange: Exchange) -> bytes:
        # only an object without metadata needs the registry
        exchange.objects().put(BAD.object_key, BAD.body, {})
        return exchange.event(BAD)

    report = Normalizer(database, canonicalizer, CONTRACT_OF_TOPIC).normalize(prepared(exchange, old_object))
    assert (report.canonical, report.dead_letters) == (2, 1)
    assert dead_letters(exchange) == [("normalize", 1, "mapping it failed with KeyError")]
    (logged,) = (vars(record) for record in caplog.records if record.message == "record failed")
    assert (logged["error_type"], logged["record_id"]) == ("KeyError", str(BAD.record_id))
    assert CANARY.decode() not in repr(logged)
