from __future__ import annotations

import dataclasses
import json
import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.errors import RecordRejected
from exchange.records.formats import map_record
from exchange.records.model import (
    CanonicalRow,
    Claim,
    ClaimLine,
    Encounter,
    Identifier,
    LabObservation,
    LabResult,
    MappedRecord,
)
from tests.unit.contracts.mutation import json_values, mutated, replaced

CANARY = "Quetzalcoatl"
HINTS = ("partnerA.v1", "partnerA.v2", "partnerB.v1")
KINDS = ("encounter", "claim", "lab_result")
TOKENS = ("a" * 64, "b" * 64)
CONTRACTS = Path(__file__).parents[3] / "contracts"
PAYLOADS: dict[tuple[str, str], list[dict[str, Any]]] = {
    (hint, kind): json.loads((CONTRACTS / "partners" / hint / f"{kind}.json").read_bytes())["examples"]
    for hint in HINTS
    for kind in KINDS
}


def v1_body(kind: str, payload: object) -> dict[str, object]:
    patient = {"first_name": "Sam", "last_name": "Lee", "dob": "1990-01-01", "ssn": "123-45-6789"}
    return {"source": "partnerA", "record_type": kind, "patient": patient, "payload": payload}


def v2_body(kind: str, hint: str, payload: object) -> dict[str, object]:
    patient = {"given_name": "Sam", "family_name": "Lee", "dob": "1990-01-01", "ssn": "123-45-6789"}
    return {
        "source": "partnerA",
        "record_kind": kind,
        "schema_hint": hint,
        "patient": patient,
        "payload": payload,
    }


def mapped(hint: str, kind: str, payload: object) -> MappedRecord:
    return map_record(v2_body(kind, hint, payload), record_kind=kind, schema_hint=hint)


def row(hint: str, kind: str, payload: object) -> CanonicalRow:
    return mapped(hint, kind, payload).draft.complete(TOKENS)


def rejection(hint: str, kind: str, payload: object) -> str:
    with pytest.raises(RecordRejected) as rejected:
        mapped(hint, kind, payload)
    assert rejected.value.stage == "normalize"
    assert not rejected.value.retryable
    return str(rejected.value)


HOSPITAL_STAY = Encounter(
    encounter_token="a" * 64,
    member_token="b" * 64,
    facility_id="NOR-01",
    encounter_class="inpatient",
    admitted_at=datetime(2024, 3, 5, 19, 30, tzinfo=UTC),
    discharged_at=datetime(2024, 3, 8, 15, 5, tzinfo=UTC),
    diagnosis_codes=("E11.9", "I10"),
)
PAYERS_STAY = dataclasses.replace(
    HOSPITAL_STAY,
    facility_id="1234567893",
    admitted_at=datetime(2024, 3, 5, 19, tzinfo=UTC),
    discharged_at=datetime(2024, 3, 8, 15, tzinfo=UTC),
)
CLAIM = Claim(
    claim_token="a" * 64,
    member_token="b" * 64,
    service_from=date(2024, 3, 5),
    service_to=date(2024, 3, 8),
    total_amount_cents=145_050,
    currency="USD",
    diagnosis_codes=("E11.9", "I10"),
    lines=(
        ClaimLine(ordinal=1, procedure_code="99223", units=1, amount_cents=120_000),
        ClaimLine(ordinal=2, procedure_code="J1815", units=3, amount_cents=25_050),
    ),
)
LAB_RESULT = LabResult(
    accession_token="a" * 64,
    member_token="b" * 64,
    collected_at=datetime(2024, 3, 5, 20, 10, tzinfo=UTC),
    observations=(
        LabObservation(1, "2345-7", Decimal("182"), None, "mg/dL", "high"),
        LabObservation(2, "718-7", Decimal("13.2"), None, "g/dL", "normal"),
        LabObservation(3, "94500-6", None, "not_detected", None, None),
    ),
)


@pytest.mark.parametrize(
    ("hint", "kind", "identifiers", "expected"),
    [
        ("partnerA.v1", "encounter", [("encounter", "V0012345"), ("medical_record", "MRN-00418821")], HOSPITAL_STAY),
        ("partnerA.v2", "encounter", [("encounter", "V0012345"), ("medical_record", "MRN-00418821")], HOSPITAL_STAY),
        ("partnerB.v1", "encounter", [("encounter", "8800123"), ("member", "B4471-0092")], PAYERS_STAY),
        ("partnerA.v1", "claim", [("claim", "C24-0007781"), ("medical_record", "MRN-00418821")], CLAIM),
        ("partnerA.v2", "claim", [("claim", "C24-0007781"), ("medical_record", "MRN-00418821")], CLAIM),
        ("partnerB.v1", "claim", [("claim", "26-550-8812"), ("member", "B4471-0092")], CLAIM),
        ("partnerA.v1", "lab_result", [("accession", "L24-0090017"), ("medical_record", "MRN-00418821")], LAB_RESULT),
        ("partnerA.v2", "lab_result", [("accession", "L24-0090017"), ("medical_record", "MRN-00418821")], LAB_RESULT),
        ("partnerB.v1", "lab_result", [("accession", "RL-55120077"), ("member", "B4471-0092")], LAB_RESULT),
    ],
)  # fmt: skip
def test_three_partners_tell_the_same_story_in_their_own_words(
    hint: str, kind: str, identifiers: list[tuple[Any, str]], expected: CanonicalRow
) -> None:
    record = mapped(hint, kind, PAYLOADS[hint, kind][0])
    assert record.draft.identifiers == tuple(Identifier(*identifier) for identifier in identifiers)
    assert record.draft.complete(TOKENS) == expected


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_the_same_whether_it_came_by_v1_or_v2(hint: str, kind: str) -> None:
    for payload in PAYLOADS[hint, kind]:
        by_v1 = map_record(v1_body(kind, payload), record_kind=kind, schema_hint=hint)
        by_v2 = map_record(v2_body(kind, hint, payload), record_kind=kind, schema_hint=hint)
        assert by_v1.person == by_v2.person
        assert by_v1.person.dob.year == by_v2.person.dob.year == 1990
        assert by_v1.draft.identifiers == by_v2.draft.identifiers
        assert by_v1.draft.complete(TOKENS) == by_v2.draft.complete(TOKENS)


@pytest.mark.parametrize("hint", HINTS)
def test_a_stay_that_lasts_has_no_discharge(hint: str) -> None:
    stay = row(hint, "encounter", PAYLOADS[hint, "encounter"][1])
    assert isinstance(stay, Encounter)
    assert stay.discharged_at is None
    assert stay.diagnosis_codes == ()


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_free_text_and_numbers_of_people_never_reach_the_row(hint: str, kind: str) -> None:
    payload = PAYLOADS[hint, kind][0]
    kept = _texts(dataclasses.asdict(row(hint, kind, payload)))
    dropped = {
        "MRN-00418821", "B4471-0092", "V0012345", "8800123", "C24-0007781", "26-550-8812", "L24-0090017", "RL-55120077",
        "Lee, Sam", "Dr. P. Example", "Dizziness since the morning", "Reviewed with the ward", "Second submission",
        "Called the family about the deductible", "Member called on Monday", "Sample slightly haemolysed",
    }  # fmt: skip
    assert dropped & _texts(payload)
    assert not dropped & kept


@pytest.mark.parametrize(
    ("hint", "kind", "place", "value", "rule"),
    [
        ("partnerA.v1", "encounter", "discharge_time", "2024-03-05 14:29", "lies before the beginning"),
        (
            "partnerA.v1",
            "encounter",
            "admit_time",
            "2024-02-30 14:30",
            "is not a date and time of the calendar",
        ),
        ("partnerA.v1", "encounter", "admit_time", "20240305143000", "must be YYYY-MM-DD hh:mm"),
        ("partnerA.v1", "encounter", "patient_class", "X", "must be one of E, I, O, B, R"),
        ("partnerA.v1", "encounter", "diagnoses.1", "high blood pressure", "must be an ICD-10-CM code"),
        ("partnerA.v1", "encounter", "facility", "Saint Elsewhere", "must be three capitals"),
        ("partnerA.v1", "claim", "service_from", "2024-02-30", "is not a calendar date"),
        ("partnerA.v1", "claim", "service_to", "2024-03-04", "lies before the beginning"),
        ("partnerA.v1", "claim", "total_charge", "1450.51", "is not the sum of the lines"),
        ("partnerA.v1", "claim", "charges.0.charge", "1,200.00", "must be digits, a point and two digits"),
        ("partnerA.v1", "claim", "charges.0.quantity", 0, "must be at least 1"),
        ("partnerA.v1", "claim", "charges", [], "must have at least 1 entries"),
        ("partnerA.v1", "lab_result", "results.0.value", "see note", "must be a decimal number"),
        ("partnerA.v1", "lab_result", "results.2.value", "182", "must be one of POS, NEG"),
        ("partnerA.v1", "lab_result", "results.2.units", "mg/dl", "must not be given here"),
        ("partnerA.v1", "lab_result", "results.0.units", "Quetzal", "must be one of %, /ul"),
        ("partnerA.v2", "encounter", "period.end", "2024-03-05T19:29:59Z", "lies before the beginning"),
        ("partnerA.v2", "encounter", "period.start", "2024-03-05T14:30:00", "is not a date and time with an"),
        ("partnerA.v2", "encounter", "period.start", "2016-12-31T23:59:60Z", "is not a date and time of the"),
        ("partnerA.v2", "encounter", "class.system", "urn:x", "must be"),
        ("partnerA.v2", "claim", "item.1.net.currency", "CAD", "is not the currency of the total"),
        ("partnerA.v2", "claim", "item.1.net.value", 250.505, "must have at most two decimals"),
        ("partnerA.v2", "claim", "total.value", 1450, "is not the sum of the lines"),
        ("partnerA.v2", "claim", "total.value", -1, "must be at least 0"),
        (
            "partnerA.v2",
            "lab_result",
            "observation.0.valueQuantity.value",
            1e-7,
            "must have at most 6 decimals",
        ),
        ("partnerB.v1", "encounter", "admission_date", "20240230", "is not a date and time of the calendar"),
        ("partnerB.v1", "encounter", "admission_hour", "99", "must be an hour from 00 to 23"),
        ("partnerB.v1", "encounter", "discharge_date", "20240304", "lies before the beginning"),
        (
            "partnerB.v1",
            "encounter",
            "diagnosis_codes.0",
            "E11.9",
            "must be an ICD-10-CM code without its dot",
        ),
        ("partnerB.v1", "claim", "statement_from", "20240230", "is not a day of the calendar"),
        ("partnerB.v1", "claim", "service_lines.0.procedure", "99223", "must be HC: and a CPT or HCPCS code"),
        ("partnerB.v1", "claim", "total_charge", "1450", "is not the sum of the lines"),
        ("partnerB.v1", "lab_result", "collected_date", "20230229", "is not a date and time of the calendar"),
    ],
)
def test_what_cannot_be_true_is_rejected_by_its_field(
    hint: str, kind: str, place: str, value: object, rule: str
) -> None:
    path = tuple(int(step) if step.isdigit() else step for step in place.split("."))
    with pytest.raises(RecordRejected) as rejected:
        mapped(hint, kind, replaced(PAYLOADS[hint, kind][0], path, value))
    assert str(rejected.value).startswith(f"payload.{place}: {rule}")
    if isinstance(value, str) and len(value) > 5:
        assert value not in "".join(traceback.format_exception(rejected.value))


@pytest.mark.parametrize(
    ("hint", "place", "added"),
    [
        (
            "partnerA.v2",
            ("observation", 0),
            {"valueCode": {"system": "http://snomed.info/sct", "code": "10828004"}},
        ),
        ("partnerB.v1", ("observations", 0), {"result_code": "positive"}),
    ],
)
def test_a_result_that_is_both_a_number_and_a_code_is_rejected(
    hint: str, place: tuple[str, int], added: dict[str, object]
) -> None:
    payload = PAYLOADS[hint, "lab_result"][0]
    number = payload[place[0]][place[1]]
    rejected = rejection(hint, "lab_result", replaced(payload, place, number | added))
    assert rejected.startswith(f"payload.{place[0]}.{place[1]}: must have either")


def test_a_unit_without_its_number_is_rejected() -> None:
    payload = replaced(PAYLOADS["partnerB.v1", "lab_result"][0], ("observations", 2, "unit"), "mg/dL")
    rejected = rejection("partnerB.v1", "lab_result", payload)
    assert rejected == "payload.observations.2.result_numeric: is missing"


def test_a_discharge_hour_without_its_day_is_rejected() -> None:
    payload = dict(PAYLOADS["partnerB.v1", "encounter"][0])
    del payload["discharge_date"]
    assert rejection("partnerB.v1", "encounter", payload) == "payload.discharge_date: is missing"


@pytest.mark.parametrize("value", [250.5, 250.50, 1, 0.01, 0.1, 9999999.99, 5_000_000, 4.35, 1.1])
def test_an_amount_that_is_a_json_number_keeps_its_cents(value: float) -> None:
    payload = replaced(PAYLOADS["partnerA.v2", "claim"][0], ("item",), [
        {
            "productOrService": {"system": "http://www.ama-assn.org/go/cpt", "code": "99223"},
            "quantity": {"value": 1.0},
            "net": {"value": value, "currency": "USD"},
        }
    ])  # fmt: skip
    claim = row("partnerA.v2", "claim", payload | {"total": {"value": value, "currency": "USD"}})
    assert isinstance(claim, Claim)
    assert claim.total_amount_cents == Decimal(str(value)) * 100
    assert type(claim.lines[0].units) is int


@pytest.mark.parametrize(
    ("hint", "kind"), [("partnerC.v1", "claim"), ("partnerA.v1", "visit"), ("", ""), ("../api", "claim")]
)
def test_a_hint_without_a_contract_is_rejected(hint: str, kind: str) -> None:
    assert rejection(hint, kind, {}).startswith("schema_hint: has no partner contract")


def test_a_body_that_is_not_what_was_accepted_is_rejected() -> None:
    payload = PAYLOADS["partnerA.v1", "claim"][0]
    for body, field in [
        (v1_body("encounter", payload), "record_type"),
        (v2_body("encounter", "partnerA.v1", payload), "record_kind"),
        (v2_body("claim", "partnerA.v2", payload), "schema_hint"),
    ]:
        with pytest.raises(RecordRejected, match=f"^{field}: is not what the record was accepted as"):
            map_record(body, record_kind="claim", schema_hint="partnerA.v1")


def test_as_many_tokens_are_needed_as_there_are_identifiers() -> None:
    draft = mapped("partnerA.v1", "claim", PAYLOADS["partnerA.v1", "claim"][0]).draft
    with pytest.raises(TypeError):
        draft.complete(TOKENS[:1])
    with pytest.raises(TypeError):
        draft.complete([*TOKENS, "c" * 64])


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_repr_shows_a_value(hint: str, kind: str) -> None:
    record = mapped(hint, kind, PAYLOADS[hint, kind][0])
    finished = record.draft.complete(TOKENS)
    parts = [*getattr(finished, "lines", ()), *getattr(finished, "observations", ())]
    for thing in [record, record.person, record.draft, *record.draft.identifiers, finished, *parts]:
        assert repr(thing).startswith(f"<exchange.records.model.{type(thing).__name__} object at ")


@given(st.sampled_from(HINTS), st.sampled_from(KINDS), json_values)
def test_any_json_is_mapped_or_rejected_and_nothing_else(hint: str, kind: str, anything: object) -> None:
    for body in (anything, v1_body(kind, anything), v2_body(kind, hint, anything)):
        with pytest.raises(RecordRejected):
            map_record(body, record_kind=kind, schema_hint=hint)


near_misses = json_values | st.sampled_from(
    [
        *("2024-02-30", "2024-02-30 10:00", "2023-02-29T00:00:00Z", "2024-12-31T23:59:60Z", "20230229"),
        *("1900-01-01T00:00:00+23:59", "2099-12-31T23:59:59-23:59", "2024-03-05T10:00:00.1234567890123Z"),
        *("9999999.99", "0", "0.001", "-0", 1e-300, -0.0, 1e9, 999999999, 0.1 + 0.2, 1.0, CANARY),
    ]
)


@given(st.data(), st.sampled_from(HINTS), st.sampled_from(KINDS))
@settings(max_examples=500)
def test_a_payload_with_one_thing_changed_is_mapped_or_rejected_without_showing_it(
    data: st.DataObject, hint: str, kind: str
) -> None:
    payload = data.draw(mutated(data.draw(st.sampled_from(PAYLOADS[hint, kind])), near_misses))
    try:
        finished = row(hint, kind, payload)
    except RecordRejected as rejected:
        assert CANARY not in "".join(traceback.format_exception(rejected))
    else:
        assert CANARY not in json.dumps(dataclasses.asdict(finished), default=str)


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return {text for member in value.values() for text in _texts(member)}
    if isinstance(value, list | tuple):
        return {text for entry in value for text in _texts(entry)}
    return set()
