"""partnerB.v1: a payer's X12, with days as YYYYMMDD, hours in UTC, amounts in USD and codes without dots."""

from __future__ import annotations

from typing import Any

from exchange.records.formats.values import (
    claim_line,
    draft_claim,
    draft_encounter,
    draft_lab_result,
    observation,
    read_instant,
    read_service_days,
)
from exchange.records.model import Draft, EncounterClass, Identifier, LabObservation

# CMS place-of-service codes
_ENCOUNTER_CLASSES: dict[str, EncounterClass] = {
    "02": "virtual",
    "11": "outpatient",
    "12": "home",
    "21": "inpatient",
    "22": "outpatient",
    "23": "emergency",
}

_PROCEDURE_QUALIFIER = "HC:"


def encounter(payload: dict[str, Any]) -> Draft:
    """Map an encounter of a payload that meets partners/partnerB.v1/encounter."""
    admitted = f"{payload['admission_date']}T{payload['admission_hour']}00Z"
    admitted_at = read_instant(admitted, field="payload.admission_date")
    discharged_at = None
    if "discharge_date" in payload:
        discharged = f"{payload['discharge_date']}T{payload['discharge_hour']}00Z"
        discharged_at = read_instant(discharged, field="payload.discharge_date")
    return draft_encounter(
        Identifier("encounter", payload["encounter_id"]),
        _member(payload),
        facility_id=payload["billing_provider_npi"],
        encounter_class=_ENCOUNTER_CLASSES[payload["place_of_service"]],
        admitted_at=admitted_at,
        discharged_at=discharged_at,
        discharge_field="payload.discharge_date",
        diagnosis_codes=_diagnosis_codes(payload),
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerB.v1/claim."""
    return draft_claim(
        Identifier("claim", payload["claim_number"]),
        _member(payload),
        service_days=read_service_days(payload, "statement_from", "statement_to", at="payload"),
        lines=[
            claim_line(
                index,
                line["procedure"].removeprefix(_PROCEDURE_QUALIFIER),
                line["units"],
                line["charge"],
                field=f"payload.service_lines.{index}.charge",
            )
            for index, line in enumerate(payload["service_lines"])
        ],
        total=payload["total_charge"],
        total_field="payload.total_charge",
        currency="USD",
        diagnosis_codes=_diagnosis_codes(payload),
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerB.v1/lab_result."""
    collected = f"{payload['collected_date']}T{payload['collected_time']}Z"
    return draft_lab_result(
        Identifier("accession", payload["accession_number"]),
        _member(payload),
        collected_at=read_instant(collected, field="payload.collected_date"),
        observations=(_observation(index, found) for index, found in enumerate(payload["observations"])),
    )


def _member(payload: dict[str, Any]) -> Identifier:
    return Identifier("member", payload["member_id"])


def _diagnosis_codes(payload: dict[str, Any]) -> list[str]:
    return [f"{code[:3]}.{code[3:]}" if len(code) > 3 else code for code in payload["diagnosis_codes"]]


def _observation(index: int, found: dict[str, Any]) -> LabObservation:
    return observation(
        index,
        found["loinc_code"],
        number=found.get("result_numeric"),
        number_field=f"payload.observations.{index}.result_numeric",
        code=found.get("result_code"),
        unit=found.get("unit"),
        flag=found.get("flag"),
    )
