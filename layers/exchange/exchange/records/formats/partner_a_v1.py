"""partnerA.v1: flattened HL7 v2, with codes of HL7 tables, and local times beside their UTC offset."""

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
from exchange.records.model import (
    AbnormalFlag,
    CodedResult,
    Draft,
    EncounterClass,
    Identifier,
    LabObservation,
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
    return draft_encounter(
        Identifier("encounter", payload["visit_number"]),
        _medical_record(payload),
        facility_id=payload["facility"],
        encounter_class=_ENCOUNTER_CLASSES[payload["patient_class"]],
        admitted_at=admitted_at,
        discharged_at=discharge_time
        and read_instant(discharge_time + offset, field="payload.discharge_time"),
        discharge_field="payload.discharge_time",
        diagnosis_codes=payload["diagnoses"],
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerA.v1/claim."""
    return draft_claim(
        Identifier("claim", payload["claim_number"]),
        _medical_record(payload),
        service_days=read_service_days(payload, "service_from", "service_to", at="payload"),
        lines=[
            claim_line(
                index,
                charge["procedure_code"],
                charge["quantity"],
                charge["charge"],
                field=f"payload.charges.{index}.charge",
            )
            for index, charge in enumerate(payload["charges"])
        ],
        total=payload["total_charge"],
        total_field="payload.total_charge",
        currency=payload["currency"],
        diagnosis_codes=payload["diagnoses"],
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerA.v1/lab_result."""
    collected_time = payload["collected_time"] + payload["utc_offset"]
    return draft_lab_result(
        Identifier("accession", payload["accession_number"]),
        _medical_record(payload),
        collected_at=read_instant(collected_time, field="payload.collected_time"),
        observations=(_observation(index, result) for index, result in enumerate(payload["results"])),
    )


def _medical_record(payload: dict[str, Any]) -> Identifier:
    return Identifier("medical_record", payload["medical_record_number"])


def _observation(index: int, result: dict[str, Any]) -> LabObservation:
    is_number = result["value_type"] == "NM"
    value, units = result["value"], result.get("units")
    return observation(
        index,
        result["loinc"],
        number=value if is_number else None,
        number_field=f"payload.results.{index}.value",
        code=None if is_number else _CODED_RESULTS[value],
        unit=_UCUM_UNITS.get(units, units),
        flag=ABNORMAL_FLAGS[result.get("abnormal_flag")],
    )
