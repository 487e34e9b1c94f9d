"""What an operator asks of erase, by its contract (contracts/api/schemas/erase.request.json), and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from exchange.erasure.service import Eraser
from exchange.errors import ContractViolation
from exchange.platform.contracts import contract


def operate(eraser: Eraser, event: Mapping[str, Any], *, request_id: str, deadline: float) -> dict[str, Any]:
    """Do what `event` asks until `deadline` (time.monotonic); raises ContractViolation, naming the field."""
    contract("api/schemas/erase.request").validate(event)
    record_ids = _read_records(eraser, event)
    if event.get("dry_run", False):
        known = eraser.find_known(record_ids)
        return {
            "record_ids": [str(record_id) for record_id in record_ids if record_id in known],
            "unknown": [str(record_id) for record_id in record_ids if record_id not in known],
        }
    erasure_id = UUID(event["erasure_id"]) if "erasure_id" in event else uuid4()
    erasure = eraser.erase(
        record_ids, erasure_id, request_id=request_id, case_ref=event.get("case"), deadline=deadline
    )
    if not event.keys() & {"record_ids", "person"} and not erasure.receipt["records"]:
        # A number that is misspelt must not get a receipt.
        raise ContractViolation("there is no such erasure", field="erasure_id")
    return asdict(erasure) | {
        "erasure_id": str(erasure_id),
        "already_erased": [str(record_id) for record_id in erasure.already_erased],
        "unknown": [str(record_id) for record_id in erasure.unknown],
    }


def _read_records(eraser: Eraser, event: Mapping[str, Any]) -> list[UUID]:
    if "person" in event:
        return eraser.find_person(event["partner_id"], event["person"])
    # In one order, each once.
    return sorted({UUID(record_id) for record_id in event.get("record_ids", ())})
