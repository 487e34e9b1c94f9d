"""The mappings by schema hint and record kind, found by their contracts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any

from exchange.errors import ContractViolation, RecordRejected
from exchange.platform.contracts import contract, partner_contracts
from exchange.raw.entry import VERSIONS
from exchange.records.model import Draft, MappedRecord, Person

_STAGE = "normalize"

Mapping = Callable[[dict[str, Any]], Draft]


@cache
def _mappings() -> dict[tuple[str, str], Mapping]:
    """Return the mapping of each partner contract: the function in its format's module that is named like its kind."""
    return {
        (name, kind): getattr(import_module(f"{__package__}.{_module_name(name)}"), kind)
        for name, kind in partner_contracts()
    }


def _module_name(format_name: str) -> str:
    """Return the module that reads a format: partner_a_v1 for partnerA.v1."""
    return re.sub("([A-Z])", r"_\1", format_name).lower().replace(".", "_")


def map_record(body: object, *, record_kind: str, schema_hint: str) -> MappedRecord:
    """Map one raw body of any version of the ingest API.

    `record_kind` and `schema_hint` are those that the record was accepted with; a body that contradicts them is not
    the one that was accepted.

    Raises RecordRejected, stage "normalize", for anything that a contract or the calendar forbids; its message
    names the field and the rule, never a value.
    """
    mapping = _mappings().get((schema_hint, record_kind))
    if mapping is None:
        raise RecordRejected("schema_hint: has no partner contract for this record kind", stage=_STAGE)
    try:
        person, payload = _read_body(body, record_kind=record_kind, schema_hint=schema_hint)
        contract(f"partners/{schema_hint}/{record_kind}").validate(payload, at="payload")
        return MappedRecord(person, mapping(payload))
    except ContractViolation as violation:
        raise RecordRejected(str(violation), stage=_STAGE) from violation


def _read_body(body: Any, *, record_kind: str, schema_hint: str) -> tuple[Person, dict[str, Any]]:
    is_v1 = isinstance(body, dict) and VERSIONS["1"].kind_field in body
    version = VERSIONS["1" if is_v1 else "2"]
    contract(version.request_contract).validate(body)
    if body[version.kind_field] != record_kind:
        raise ContractViolation("is not what the record was accepted as", field=version.kind_field)
    # A v1 body names no mapping: its partner's default was meant.
    if body.get("schema_hint", schema_hint) != schema_hint:
        raise ContractViolation("is not what the record was accepted as", field="schema_hint")
    given_name, family_name = ("first_name", "last_name") if is_v1 else ("given_name", "family_name")
    patient = body["patient"]
    person = Person(
        given_name=patient[given_name],
        family_name=patient[family_name],
        dob=date.fromisoformat(patient["dob"]),
        ssn=patient.get("ssn"),
    )
    return person, body["payload"]
