"""The records of the demo's hospitals meet the contracts that they claim to follow."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from exchange.errors import ContractViolation
from exchange.platform.contracts import contract
from exchange.records.formats.registry import map_record
from infra.cli.demo.people import PAIRS, read_people
from infra.cli.demo.postings import HOSPITALS, Hospital, prepare_postings

REQUEST_CONTRACTS = {"/v1/ingest": "api/schemas/ingest.v1", "/v2/ingest": "api/schemas/ingest.v2"}
REFUSED = {"partnerA": 250, "partnerB": 578}

every_hospital = pytest.mark.parametrize("hospital", HOSPITALS, ids=lambda hospital: hospital.partner_id)


def test_each_of_the_5000_people_is_known_to_both_hospitals() -> None:
    known_to_a, known_to_b = ({person.number for person in read_people(side)} for side in ("4a", "4b"))
    assert known_to_a == known_to_b == set(range(PAIRS))


def test_a_quick_look_keeps_both_records_of_each_person() -> None:
    sides = [{person.number for person in read_people(side, 200)} for side in ("4a", "4b")]
    assert sides == [set(range(200))] * 2


def test_an_impossible_birth_date_is_sent_as_it_is_and_a_missing_one_empty() -> None:
    dates = {person.dob for person in read_people("4b")}
    assert "" in dates
    assert {date for date in dates if date[5:7] > "12"}


def test_a_person_shows_no_name_in_its_repr() -> None:
    person = read_people("4a", 1)[0]
    assert person.family_name not in repr(person)


@every_hospital
def test_every_payload_meets_its_partner_contract_and_can_be_mapped(hospital: Hospital) -> None:
    kinds: Counter[str] = Counter()
    anybody = replace(
        read_people(hospital.dataset, 1)[0], given_name="Sam", family_name="Lee", dob="1990-01-01"
    )
    for person in read_people(hospital.dataset):
        body = hospital.compose(replace(anybody, record=person.record, number=person.number))
        kind = body.get("record_type") or body["record_kind"]
        map_record(body, record_kind=kind, schema_hint=f"{hospital.partner_id}.v1")
        kinds[kind] += 1
    assert min(kinds.values()) > PAIRS // 4, kinds


@every_hospital
def test_only_blank_names_and_bad_dates_break_the_request_contract(hospital: Hospital) -> None:
    request_contract = contract(REQUEST_CONTRACTS[hospital.route])
    broken: Counter[str | None] = Counter()
    for posting in prepare_postings(hospital, PAIRS):
        try:
            request_contract.validate(json.loads(posting.body))
        except ContractViolation as violation:
            broken[violation.field] += 1
    assert broken.total() == REFUSED[hospital.partner_id]
    assert len(broken) == 3, broken


@every_hospital
def test_the_same_bytes_and_keys_are_sent_every_time(hospital: Hospital) -> None:
    def sent() -> list[tuple[str, bytes]]:
        return [(posting.idempotency_key, posting.body) for posting in prepare_postings(hospital, 100)]

    assert sent() == sent()


@every_hospital
def test_no_two_records_are_alike(hospital: Hospital) -> None:
    postings = prepare_postings(hospital, PAIRS)
    assert len({posting.idempotency_key for posting in postings}) == PAIRS
    assert len({json.dumps(json.loads(posting.body)["payload"]) for posting in postings}) == PAIRS
