"""partnerB.v1: a payer's X12, with days as YYYYMMDD, hours in UTC, amounts in USD and codes without dots."""

from __future__ import annotations

from functools import partial
from typing import Any

from exchange.records.formats.values import (
    read_cents,
    read_day,
    read_instant,
    read_number,
    require_order,
    require_sum,
)
from exchange.records.model import (
    Claim,
    ClaimLine,
    Draft,
    Encounter,
    EncounterClass,
    Identifier,
    LabObservation,
    LabResult,
)

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
    require_order(admitted_at, discharged_at, field="payload.discharge_date")
    return Draft(
        identifiers=(
            Identifier("encounter", payload["encounter_id"]),
            Identifier("member", payload["member_id"]),
        ),
        row=partial(
            Encounter,
            facility_id=payload["billing_provider_npi"],
            encounter_class=_ENCOUNTER_CLASSES[payload["place_of_service"]],
            admitted_at=admitted_at,
            discharged_at=discharged_at,
            diagnosis_codes=_diagnosis_codes(payload),
        ),
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerB.v1/claim."""
    service_from = read_day(payload["statement_from"], field="payload.statement_from")
    service_to = read_day(payload["statement_to"], field="payload.statement_to")
    require_order(service_from, service_to, field="payload.statement_to")
    lines = tuple(
        ClaimLine(
            ordinal=index + 1,
            procedure_code=line["procedure"].removeprefix(_PROCEDURE_QUALIFIER),
            units=int(line["units"]),
            amount_cents=read_cents(line["charge"], field=f"payload.service_lines.{index}.charge"),
        )
        for index, line in enumerate(payload["service_lines"])
    )
    total_amount_cents = read_cents(payload["total_charge"], field="payload.total_charge")
    require_sum(total_amount_cents, lines, field="payload.total_charge")
    return Draft(
        identifiers=(
            Identifier("claim", payload["claim_number"]),
            Identifier("member", payload["member_id"]),
        ),
        row=partial(
            Claim,
            service_from=service_from,
            service_to=service_to,
            total_amount_cents=total_amount_cents,
            currency="USD",
            diagnosis_codes=_diagnosis_codes(payload),
            lines=lines,
        ),
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerB.v1/lab_result."""
    collected = f"{payload['collected_date']}T{payload['collected_time']}Z"
    return Draft(
        identifiers=(
            Identifier("accession", payload["accession_number"]),
            Identifier("member", payload["member_id"]),
        ),
        row=partial(
            LabResult,
            collected_at=read_instant(collected, field="payload.collected_date"),
            observations=tuple(
                _observation(index, observation) for index, observation in enumerate(payload["observations"])
            ),
        ),
    )


def _diagnosis_codes(payload: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_with_dot(code) for code in payload["diagnosis_codes"])


def _with_dot(code: str) -> str:
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def _observation(index: int, observation: dict[str, Any]) -> LabObservation:
    number = observation.get("result_numeric")
    field = f"payload.observations.{index}.result_numeric"
    return LabObservation(
        ordinal=index + 1,
        loinc_code=observation["loinc_code"],
        value_numeric=None if number is None else read_number(number, field=field),
        value_code=observation.get("result_code"),
        unit=observation.get("unit"),
        abnormal_flag=observation.get("flag"),
    )
