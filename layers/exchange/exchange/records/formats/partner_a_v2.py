"""partnerA.v2: FHIR-like nested resources, with codes beside their system, and instants with an offset."""

from __future__ import annotations

from typing import Any

from exchange.errors import ContractViolation
from exchange.records.formats.partner_a_v1 import ABNORMAL_FLAGS
from exchange.records.formats.values import (
    claim_line,
    draft_claim,
    draft_encounter,
    draft_lab_result,
    observation,
    read_instant,
    read_service_days,
)
from exchange.records.model import ClaimLine, CodedResult, Draft, EncounterClass, Identifier, LabObservation

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
    return draft_encounter(
        Identifier("encounter", payload["identifier"]["value"]),
        _medical_record(payload),
        facility_id=payload["serviceProvider"]["identifier"],
        encounter_class=_ENCOUNTER_CLASSES[payload["class"]["code"]],
        admitted_at=read_instant(period["start"], field="payload.period.start"),
        discharged_at=read_instant(period["end"], field="payload.period.end") if "end" in period else None,
        discharge_field="payload.period.end",
        diagnosis_codes=_diagnosis_codes(payload),
    )


def claim(payload: dict[str, Any]) -> Draft:
    """Map a claim of a payload that meets partners/partnerA.v2/claim."""
    total = payload["total"]
    return draft_claim(
        Identifier("claim", payload["identifier"]["value"]),
        _medical_record(payload),
        service_days=read_service_days(
            payload["billablePeriod"], "start", "end", at="payload.billablePeriod"
        ),
        lines=[_line(index, item, total["currency"]) for index, item in enumerate(payload["item"])],
        total=total["value"],
        total_field="payload.total.value",
        currency=total["currency"],
        diagnosis_codes=_diagnosis_codes(payload),
    )


def lab_result(payload: dict[str, Any]) -> Draft:
    """Map a lab result of a payload that meets partners/partnerA.v2/lab_result."""
    return draft_lab_result(
        Identifier("accession", payload["accession"]["value"]),
        _medical_record(payload),
        collected_at=read_instant(payload["effectiveDateTime"], field="payload.effectiveDateTime"),
        observations=(_observation(index, found) for index, found in enumerate(payload["observation"])),
    )


def _medical_record(payload: dict[str, Any]) -> Identifier:
    return Identifier("medical_record", payload["subject"]["value"])


def _diagnosis_codes(payload: dict[str, Any]) -> list[str]:
    return [coding["code"] for coding in payload["diagnosis"]]


def _line(index: int, item: dict[str, Any], currency: str) -> ClaimLine:
    net, at = item["net"], f"payload.item.{index}.net"
    if net["currency"] != currency:
        raise ContractViolation("is not the currency of the total", field=f"{at}.currency")
    code, quantity = item["productOrService"]["code"], item["quantity"]["value"]
    return claim_line(index, code, quantity, net["value"], field=f"{at}.value")


def _observation(index: int, found: dict[str, Any]) -> LabObservation:
    quantity, code = found.get("valueQuantity"), found.get("valueCode")
    return observation(
        index,
        found["code"]["code"],
        number=quantity["value"] if quantity else None,
        number_field=f"payload.observation.{index}.valueQuantity.value",
        code=_CODED_RESULTS[code["code"]] if code else None,
        unit=quantity["code"] if quantity else None,
        flag=ABNORMAL_FLAGS[found.get("interpretation", {}).get("code")],
    )
