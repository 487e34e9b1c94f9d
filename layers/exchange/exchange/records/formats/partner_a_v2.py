"""partnerA.v2: FHIR-like nested resources, with codes beside their system, and instants with an offset."""

from __future__ import annotations

from functools import partial
from typing import Any

from exchange.errors import ContractViolation
from exchange.records.formats.partner_a_v1 import ABNORMAL_FLAGS
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
    CodedResult,
    Draft,
    Encounter,
    EncounterClass,
    Identifier,
    LabObservation,
    LabResult,
)

_ENCOUNTER_CLASSES: dict[str, EncounterClass] = {
    "AMB": "outpatient",
    "EMER": "emergency",
    "IMP": "inpatient",
    "ACUTE": "inpatient",
    "NONAC": "inpatient",
    "OBSENC": "observation",
    "HH": "home",
    "VR": "virtual",
}

# SNOMED CT
_CODED_RESULTS: dict[str, CodedResult] = {
    "10828004": "positive",
    "260385009": "negative",
    "260373001": "detected",
    "260415000": "not_detected",
    "11214006": "reactive",
    "131194007": "nonreactive",
    "82334004": "indeterminate",
}


def encounter(payload: dict[str, Any]) -> Draft:
    """Map an encounter of a payload that meets partners/partnerA.v2/encounter."""
    period = payload["period"]
    admitted_at = read_instant(period["start"], field="payload.period.start")
    discharged_at = read_instant(period["end"], field="payload.period.end") if "end" in period else None
    require_order(admitted_at, discharged_at, field="payload.period.end")
    return Draft(
        identifiers=(
            Identifier("encounter", payload["identifier"]["value"]),
            _medical_record(payload),
        ),
        row=partial(
            Encounter,
            facility_id=payload["serviceProvider"]["identifier"],
            encounter_class=_ENCOUNTER_CLASSES[payload["class"]["code"]],
            admitted_at=admitted_at,
            discharged_at=discharged_at,
            diagnosis_codes=_diagnosis_codes(payload),
        ),
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerA.v2/claim."""
    period, total = payload["billablePeriod"], payload["total"]
    service_from = read_day(period["start"], field="payload.billablePeriod.start")
    service_to = read_day(period["end"], field="payload.billablePeriod.end")
    require_order(service_from, service_to, field="payload.billablePeriod.end")
    lines = tuple(_line(index, item, total["currency"]) for index, item in enumerate(payload["item"]))
    total_amount_cents = read_cents(total["value"], field="payload.total.value")
    require_sum(total_amount_cents, lines, field="payload.total.value")
    return Draft(
        identifiers=(
            Identifier("claim", payload["identifier"]["value"]),
            _medical_record(payload),
        ),
        row=partial(
            Claim,
            service_from=service_from,
            service_to=service_to,
            total_amount_cents=total_amount_cents,
            currency=total["currency"],
            diagnosis_codes=_diagnosis_codes(payload),
            lines=lines,
        ),
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerA.v2/lab_result."""
    return Draft(
        identifiers=(
            Identifier("accession", payload["accession"]["value"]),
            _medical_record(payload),
        ),
        row=partial(
            LabResult,
            collected_at=read_instant(payload["effectiveDateTime"], field="payload.effectiveDateTime"),
            observations=tuple(
                _observation(index, observation) for index, observation in enumerate(payload["observation"])
            ),
        ),
    )


def _medical_record(payload: dict[str, Any]) -> Identifier:
    return Identifier("medical_record", payload["subject"]["value"])


def _diagnosis_codes(payload: dict[str, Any]) -> tuple[str, ...]:
    return tuple(coding["code"] for coding in payload["diagnosis"])


def _line(index: int, item: dict[str, Any], currency: str) -> ClaimLine:
    net = item["net"]
    if net["currency"] != currency:
        raise ContractViolation(
            "is not the currency of the total", field=f"payload.item.{index}.net.currency"
        )
    return ClaimLine(
        ordinal=index + 1,
        procedure_code=item["productOrService"]["code"],
        units=int(item["quantity"]["value"]),  # JSON Schema takes 1.0 for an integer
        amount_cents=read_cents(net["value"], field=f"payload.item.{index}.net.value"),
    )


def _observation(index: int, observation: dict[str, Any]) -> LabObservation:
    quantity = observation.get("valueQuantity")
    value_code = observation.get("valueCode")
    field = f"payload.observation.{index}.valueQuantity.value"
    return LabObservation(
        ordinal=index + 1,
        loinc_code=observation["code"]["code"],
        value_numeric=read_number(quantity["value"], field=field) if quantity else None,
        value_code=_CODED_RESULTS[value_code["code"]] if value_code else None,
        unit=quantity["code"] if quantity else None,
        abnormal_flag=ABNORMAL_FLAGS[observation.get("interpretation", {}).get("code")],
    )
