"""Which mapping reads which schema hint and kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from exchange.errors import ContractViolation, RecordRejected
from exchange.platform.contracts import contract
from exchange.records.mapping import partner_a_v1, partner_a_v2, partner_b_v1
from exchange.records.model import Draft, MappedRecord, Person

_STAGE = "normalize"

_MAPPINGS: dict[tuple[str, str], Callable[[dict[str, Any]], Draft]] = {
    (hint, kind): mapping
    for hint, partner in {
        "partnerA.v1": partner_a_v1,
        "partnerA.v2": partner_a_v2,
        "partnerB.v1": partner_b_v1,
    }.items()
    for kind, mapping in {
        "encounter": partner.encounter,
        "claim": partner.claim,
        "lab_result": partner.lab_result,
    }.items()
}


def map_record(body: object, *, record_kind: str, schema_hint: str) -> MappedRecord:
    """Understand one raw body, of /v1/ingest or /v2/ingest alike.

    `record_kind` and `schema_hint` are what the record was accepted under; a body that says otherwise is not
    the one that was accepted.

    Raises RecordRejected, stage "normalize", for anything that a contract or the calendar forbids; it names
    the field and the rule, never a value.
    """
    mapping = _MAPPINGS.get((schema_hint, record_kind))
    if mapping is None:
        raise RecordRejected("schema_hint: has no partner contract for this record kind", stage=_STAGE)
    try:
        person, payload = _read_body(body, record_kind=record_kind, schema_hint=schema_hint)
        contract(f"partners/{schema_hint}/{record_kind}").validate(payload, at="payload")
        return MappedRecord(person, mapping(payload))
    except ContractViolation as violation:
        raise RecordRejected(str(violation), stage=_STAGE) from violation


def _read_body(body: Any, *, record_kind: str, schema_hint: str) -> tuple[Person, dict[str, Any]]:
    if isinstance(body, dict) and "record_type" in body:
        contract("api/schemas/ingest.v1").validate(body)
        if body["record_type"] != record_kind:
            raise ContractViolation("is not what the record was accepted as", field="record_type")
        given_name, family_name = "first_name", "last_name"
    else:
        contract("api/schemas/ingest.v2").validate(body)
        if body["record_kind"] != record_kind:
            raise ContractViolation("is not what the record was accepted as", field="record_kind")
        if body["schema_hint"] != schema_hint:
            raise ContractViolation("is not what the record was accepted as", field="schema_hint")
        given_name, family_name = "given_name", "family_name"
    patient = body["patient"]
    person = Person(
        given_name=patient[given_name],
        family_name=patient[family_name],
        dob=date.fromisoformat(patient["dob"]),
        ssn=patient.get("ssn"),
    )
    return person, body["payload"]
