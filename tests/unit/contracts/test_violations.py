from __future__ import annotations

import copy
import time
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import ContractViolation
from exchange.platform.contracts import contract
from tests.unit.contracts.mutation import Path, mutated, places, removed, replaced

CANARY = "Quetzalcoatl"

INGEST_V1 = {
    "source": "partnerA",
    "record_type": "encounter",
    "patient": {"first_name": "Sam", "last_name": "Lee", "dob": "1990-01-01", "ssn": "123-45-6789"},
    "payload": {"anything": [1, {"at": None}]},
}
INGEST_V2 = {
    "source": "partnerA",
    "record_kind": "claim",
    "schema_hint": "partnerB.v1",
    "patient": {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01", "ssn": None},
    "payload": {},
}
EVENT_V2 = {
    "event_version": "2",
    "event_type": "record.ingested",
    "event_id": "d1a06f0b-4b7e-5f19-8a3a-0f4de21b7c10",
    "occurred_at": "2024-03-05T19:30:02.184213Z",
    "correlation_id": "9f0c2d52",
    "source": "partnerA",
    "record_id": "0e8ce9a7-5ab1-5f3a-9a31-4b3ba8d3c1f2",
    "record_kind": "encounter",
    "schema_hint": "partnerA.v2",
    "raw_object": {
        "bucket": "exchange-raw",
        "key": "partnerA/0e8ce9a7-5ab1-5f3a-9a31-4b3ba8d3c1f2.json",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "size_bytes": 512,
    },
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "api/schemas/ingest.v1": INGEST_V1,
    "api/schemas/ingest.v2": INGEST_V2,
    "events/record.ingested.v2": EVENT_V2,
}


def violation(name: str, document: object, *, at: str = "") -> ContractViolation:
    with pytest.raises(ContractViolation) as refused:
        contract(name).validate(document, at=at)
    return refused.value


def names(*fields: str) -> list[tuple[str, Path]]:
    return [
        (contract_name, path)
        for contract_name, document in DOCUMENTS.items()
        for path in places(document)
        if path and path[-1] in fields
    ]


LONG = "x" * 201
BAD_VALUES: list[tuple[tuple[str, ...], list[object]]] = [
    (
        ("first_name", "last_name", "given_name", "family_name"),
        [
            "",
            " ",
            "\t",
            "\u00a0\u2003",
            "a|b",
            "a=b",
            "a\x00b",
            "a\nb",
            "a\x7f",
            "a\x85",
            LONG,
            7,
            None,
            ["x"],
        ],
    ),
    (("dob",), ["1990-02-30", "1990-13-01", "1900-02-29", "0000-01-01", "1799-12-31", "2200-01-01"]),
    (
        ("dob",),
        ["1990-1-1", "19900101", "01/01/1990", "1990-01-01T00:00:00Z", "1990-01-01\n", "", 19900101, None],
    ),
    (("ssn",), ["123-45-678X", "1" * 19, "-" * 33, "１２３", "123\n", 123456789, False]),
    (("source",), ["../x", "a/b", "a.b", "a b", "-ab", "a", "", "a" * 64, "é" * 3, "ab\n", 1, None]),
    (("record_type", "record_kind"), ["visit", "Encounter", "", 1, None]),
    (("schema_hint",), ["partnerC.v1", "partnera.v1", "", 1, None]),
    (("patient", "payload", "raw_object"), [None, [], "x", 1, True]),
    (("event_version",), ["1", "3", 2, None]),
    (("event_id", "record_id"), ["x", "0e8ce9a75ab15f3a9a314b3ba8d3c1f2", 1]),
    (("occurred_at",), ["2024-03-05", "2024-03-05T19:30:02", "2024-02-30T00:00:00Z"]),
    (("correlation_id",), ["short", "a" * 129, "Sam Lee 1990", "a\nbcdefgh"]),
    (("key",), ["../x.json", "/etc/passwd", "partnerA/x.json", "partnerA/../0e8ce9a7.json"]),
    (("bucket",), ["A", "s3://b", "a/b", ""]),
    (("sha256",), ["0" * 63, "A" * 64, ""]),
    (("size_bytes",), [0, -1, 1.5, "1", 2**53]),
]


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        (name, path, value)
        for fields, values in BAD_VALUES
        for name, path in names(*fields)
        for value in values
    ],
)
def test_a_bad_value_is_refused_by_its_field_and_not_shown(name: str, path: Path, value: object) -> None:
    refused = violation(name, replaced(DOCUMENTS[name], path, value))
    assert refused.field == ".".join(map(str, path))
    if isinstance(value, str) and len(value) > 3:
        assert value not in str(refused)


@pytest.mark.parametrize(
    ("name", "path"), [(n, p) for n, d in DOCUMENTS.items() for p in places(d) if p and p[0] != "payload"]
)
def test_a_missing_field_is_named_itself(name: str, path: Path) -> None:
    without = removed(DOCUMENTS[name], path)
    if path[-1] == "ssn":
        contract(name).validate(without)
    else:
        assert str(violation(name, without)) == f"{'.'.join(map(str, path))}: is missing"


@pytest.mark.parametrize(
    "value", ["Sam", "O'Brien", "Zoë", "van  der Berg", " Sam ", "李", "x" * 200, "Анна-Мария"]
)
def test_names_of_real_people_are_taken(value: str) -> None:
    contract("api/schemas/ingest.v1").validate(replaced(INGEST_V1, ("patient", "first_name"), value))


@pytest.mark.parametrize("value", [None, "", " ", "---", "5304218", "123-45-6789", "123 45 6789", "1" * 18])
def test_an_ssn_may_be_missing_in_every_way_and_spelled_in_every_way(value: str | None) -> None:
    contract("api/schemas/ingest.v1").validate(replaced(INGEST_V1, ("patient", "ssn"), value))


@pytest.mark.parametrize("value", ["partnerA", "hospital-1", "payer_b", "a1", "x" * 63])
def test_sources_that_partners_use_are_taken(value: str) -> None:
    contract("api/schemas/ingest.v2").validate(replaced(INGEST_V2, ("source",), value))


@pytest.mark.parametrize("value", ["b7c1a0de-2f54-4d0e-9a77-7f0c55a1e001", "order 7 / a", "x" * 8, "x" * 255])
def test_a_printable_idempotency_key_of_8_to_255_characters_is_taken(value: str) -> None:
    contract("api/schemas/idempotency_key").validate(value)


@pytest.mark.parametrize(
    "value", ["", "x" * 7, "x" * 256, "x" * 10_000, "abcdefgé", "abcd\tefgh", " abcdefgh", "abcdefgh\n"]
)
def test_another_idempotency_key_is_refused_by_the_header_that_held_it(value: str) -> None:
    assert violation("api/schemas/idempotency_key", value, at="Idempotency-Key").field == "Idempotency-Key"


def test_an_unknown_field_is_reported_by_its_parent_because_its_name_may_be_personal() -> None:
    refused = violation("api/schemas/ingest.v1", replaced(INGEST_V1, ("patient", CANARY), CANARY))
    assert str(refused) == "patient: has a field that its contract does not know"
    assert refused.field == "patient"
    assert violation("api/schemas/ingest.v1", INGEST_V1 | {CANARY: 1}).field == "$"


@pytest.mark.parametrize("document", [None, [], "x", 1, 1.5, True])
def test_a_document_that_is_no_object_is_refused_as_a_whole(document: object) -> None:
    assert str(violation("api/schemas/ingest.v1", document)) == "$: must be an object"


def test_an_enumeration_lists_what_it_allows() -> None:
    refused = violation("api/schemas/ingest.v1", INGEST_V1 | {"record_type": CANARY})
    assert str(refused) == "record_type: must be one of encounter, claim, lab_result"


def test_a_missing_field_is_named_before_a_wrong_one() -> None:
    wrong_and_missing = removed(INGEST_V2, ("payload",)) | {"source": ".."}
    assert violation("api/schemas/ingest.v2", wrong_and_missing).field == "payload"


def test_a_document_that_breaks_its_contract_half_a_million_times_is_refused_at_once() -> None:
    began = time.process_time()
    refused = violation("partners/partnerA.v2/lab_result", {"observation": [{"x": 1}] * 500_000})
    assert refused.field == "accession"
    assert time.process_time() - began < 5


def test_a_path_begins_where_the_caller_says() -> None:
    assert violation("partners/partnerA.v1/claim", {}, at="payload").field == "payload.claim_number"
    assert violation("partners/partnerA.v1/claim", [], at="payload").field == "payload"


def test_a_path_shows_the_position_in_an_array() -> None:
    document = {
        "profile": "v1",
        "key_version": "1",
        "people": [],
        "identifiers": [{"token": "a" * 64}, {"token": "b"}],
    }
    refused = violation("api/schemas/tokenize.batch.response", document)
    assert str(refused) == "identifiers.1: must be a token or an error"


def test_a_dead_letter_shows_only_an_event_that_meets_its_own_contract() -> None:
    letter: dict[str, Any] = {
        "original_event": EVENT_V2,
        "error": {"type": "RecordRejected", "message": "payload.period: is missing", "stage": "normalize"},
        "attempts": 1,
        "failed_at": "2024-03-05T19:30:09Z",
    }
    contract("events/record.dead_letter.v2").validate(letter)
    named = copy.deepcopy(letter)
    named["original_event"][CANARY] = CANARY
    assert violation("events/record.dead_letter.v2", named).field == "original_event"
    assert violation("events/record.dead_letter.v1", letter).field == "original_event.event_version"
    neither = removed(letter, ("original_event",))
    assert violation("events/record.dead_letter.v2", neither).field == "$"


canary_values = st.one_of(
    st.just(CANARY),
    st.text().map(lambda text: f"{CANARY}{text.encode(errors='ignore').decode()}"),
    st.just([CANARY]),
    st.just({CANARY: CANARY}),
)


@given(st.data())
@settings(max_examples=300)
def test_nothing_that_was_sent_shows_in_any_violation(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(DOCUMENTS)))
    once = data.draw(mutated(DOCUMENTS[name], canary_values))
    parents = [path for path in places(once) if isinstance(_at(once, path), dict)]
    if parents:
        once = replaced(once, (*data.draw(st.sampled_from(parents)), CANARY), CANARY)
    try:
        contract(name).validate(once)
    except ContractViolation as refused:
        assert CANARY not in "".join(traceback.format_exception(refused))
        assert CANARY not in f"{refused.field} {refused!r}"


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document
