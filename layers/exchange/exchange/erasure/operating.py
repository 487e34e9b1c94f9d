"""What an operator may ask of erase.

    {"record_ids": [...]}                                   those records
    {"partner_id": "...", "person": {given_name, …}}        a person's records at a partner
    {"erasure_id": "..."}                                   the rest of an erasure that was begun, and its receipt

`dry_run` finds and deletes nothing; `erasure_id` beside the others goes on under that number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from exchange.erasure.service import Eraser
from exchange.errors import ContractViolation

RECORDS_PER_CALL = 200


def operate(eraser: Eraser, event: Mapping[str, Any], *, request_id: str, deadline: float) -> dict[str, Any]:
    """Do what `event` asks until `deadline` (time.monotonic); raises ContractViolation, naming the field."""
    unknown = event.keys() - {"record_ids", "partner_id", "person", "erasure_id", "dry_run"}
    if unknown:
        raise ContractViolation("has a field that erase does not know", field="$")
    if not isinstance(event.get("dry_run", False), bool):
        raise ContractViolation("must be true or false", field="dry_run")
    record_ids = _read_records(eraser, event)
    if event.get("dry_run"):
        return {"record_ids": [str(record_id) for record_id in record_ids]}
    erasure_id = _uuid(event["erasure_id"], "erasure_id") if "erasure_id" in event else uuid4()
    erasure = eraser.erase(record_ids, erasure_id, request_id=request_id, deadline=deadline)
    return asdict(erasure) | {
        "erasure_id": str(erasure_id),
        "already_erased": [str(record_id) for record_id in erasure.already_erased],
        "unknown": [str(record_id) for record_id in erasure.unknown],
    }


def _read_records(eraser: Eraser, event: Mapping[str, Any]) -> list[UUID]:
    if "record_ids" in event and "person" in event:
        raise ContractViolation("must have either record_ids or person", field="$")
    if "person" in event:
        partner_id, person = event.get("partner_id"), event["person"]
        if not isinstance(partner_id, str):
            raise ContractViolation("must be a text", field="partner_id")
        if not isinstance(person, dict):
            raise ContractViolation("must be an object", field="person")
        return eraser.find_person(partner_id, person)
    given = event.get("record_ids")
    if given is None and "erasure_id" in event:
        return []
    if not isinstance(given, list) or not 1 <= len(given) <= RECORDS_PER_CALL:
        raise ContractViolation(f"must be a list of 1 to {RECORDS_PER_CALL} UUIDs", field="record_ids")
    # In one order, each once.
    return sorted({_uuid(value, "record_ids") for value in given})


def _uuid(value: object, field: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise ContractViolation("must be a UUID", field=field) from None
