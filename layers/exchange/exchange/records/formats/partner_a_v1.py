"""partnerA.v1: flattened HL7 v2, with codes of HL7 tables, and local times beside their UTC offset."""

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
    AbnormalFlag,
    Claim,
    ClaimLine,
    CodedResult,
    Draft,
    Encounter,
    EncounterClass,
    Identifier,
    LabObservation,
    LabResult,
)

_ENCOUNTER_CLASSES: dict[str, EncounterClass] = {
    "E": "emergency",
    "I": "inpatient",
    "O": "outpatient",
    "B": "inpatient",  # obstetrics: a stay on a ward
    "R": "outpatient",  # recurring: one of a series of visits
}

ABNORMAL_FLAGS: dict[str | None, AbnormalFlag | None] = {
    None: None,
    "N": "normal",
    "L": "low",
    "H": "high",
    "LL": "critically_low",
    "HH": "critically_high",
    "A": "abnormal",
}

_CODED_RESULTS: dict[str, CodedResult] = {
    "POS": "positive",
    "NEG": "negative",
    "DET": "detected",
    "NDET": "not_detected",
    "REAC": "reactive",
    "NREAC": "nonreactive",
    "IND": "indeterminate",
}

# Units that the laboratory spells differently from UCUM.
_UCUM_UNITS: dict[str | None, str] = {
    "/ul": "/uL",
    "K/uL": "10*3/uL",
    "M/uL": "10*6/uL",
    "C": "Cel",
    "g/dl": "g/dL",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "mg/dl": "mg/dL",
    "mm/hr": "mm/h",
    "mmHg": "mm[Hg]",
    "sec": "s",
    "uIU/mL": "u[IU]/mL",
    "ug/dl": "ug/dL",
    "INR": "{INR}",
}


def encounter(payload: dict[str, Any]) -> Draft:
    """Map an encounter of a payload that meets partners/partnerA.v1/encounter."""
    offset = payload["utc_offset"]
    admitted_at = read_instant(payload["admit_time"] + offset, field="payload.admit_time")
    discharge_time = payload.get("discharge_time")
    discharged_at = discharge_time and read_instant(discharge_time + offset, field="payload.discharge_time")
    require_order(admitted_at, discharged_at, field="payload.discharge_time")
    return Draft(
        identifiers=(
            Identifier("encounter", payload["visit_number"]),
            Identifier("medical_record", payload["medical_record_number"]),
        ),
        row=partial(
            Encounter,
            facility_id=payload["facility"],
            encounter_class=_ENCOUNTER_CLASSES[payload["patient_class"]],
            admitted_at=admitted_at,
            discharged_at=discharged_at,
            diagnosis_codes=tuple(payload["diagnoses"]),
        ),
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerA.v1/claim."""
    service_from = read_day(payload["service_from"], field="payload.service_from")
    service_to = read_day(payload["service_to"], field="payload.service_to")
    require_order(service_from, service_to, field="payload.service_to")
    lines = tuple(
        ClaimLine(
            ordinal=index + 1,
            procedure_code=charge["procedure_code"],
            units=int(charge["quantity"]),  # JSON Schema takes 1.0 for an integer
            amount_cents=read_cents(charge["charge"], field=f"payload.charges.{index}.charge"),
        )
        for index, charge in enumerate(payload["charges"])
    )
    total_amount_cents = read_cents(payload["total_charge"], field="payload.total_charge")
    require_sum(total_amount_cents, lines, field="payload.total_charge")
    return Draft(
        identifiers=(
            Identifier("claim", payload["claim_number"]),
            Identifier("medical_record", payload["medical_record_number"]),
        ),
        row=partial(
            Claim,
            service_from=service_from,
            service_to=service_to,
            total_amount_cents=total_amount_cents,
            currency=payload["currency"],
            diagnosis_codes=tuple(payload["diagnoses"]),
            lines=lines,
        ),
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerA.v1/lab_result."""
    collected_time = payload["collected_time"] + payload["utc_offset"]
    return Draft(
        identifiers=(
            Identifier("accession", payload["accession_number"]),
            Identifier("medical_record", payload["medical_record_number"]),
        ),
        row=partial(
            LabResult,
            collected_at=read_instant(collected_time, field="payload.collected_time"),
            observations=tuple(
                _observation(index, result) for index, result in enumerate(payload["results"])
            ),
        ),
    )


def _observation(index: int, result: dict[str, Any]) -> LabObservation:
    is_number = result["value_type"] == "NM"
    value, units = result["value"], result.get("units")
    return LabObservation(
        ordinal=index + 1,
        loinc_code=result["loinc"],
        value_numeric=read_number(value, field=f"payload.results.{index}.value") if is_number else None,
        value_code=None if is_number else _CODED_RESULTS[value],
        unit=_UCUM_UNITS.get(units, units),
        abnormal_flag=ABNORMAL_FLAGS[result.get("abnormal_flag")],
    )
