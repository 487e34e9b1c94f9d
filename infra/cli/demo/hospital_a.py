"""Hospital A: it speaks HL7 v2 and posts to /v1/ingest in the form of contracts/partners/partnerA.v1."""

from __future__ import annotations

from typing import Any

from infra.cli.demo.clinical import CORONAVIRUS_LOINC, Chart
from infra.cli.demo.people import Person

SOURCE = "hospital-a"
_LOCAL_UNITS = {"mg/dL": "mg/dl", "g/dL": "g/dl"}
_FLAGS = {"low": "L", "normal": "N", "high": "H"}
_MINUTE = "%Y-%m-%d %H:%M"


def compose(person: Person) -> dict[str, Any]:
    """Return the body that hospital A posts for a person."""
    chart = Chart(person)
    payload = {"encounter": _encounter, "claim": _claim, "lab_result": _lab_result}[chart.kind](chart)
    return {
        "source": SOURCE,
        "record_type": chart.kind,
        "patient": {
            "first_name": person.given_name,
            "last_name": person.family_name,
            "dob": person.dob,
            "ssn": person.ssn,
        },
        "payload": {"medical_record_number": f"MRN-{chart.number:08}", **payload},
    }


def _encounter(chart: Chart) -> dict[str, Any]:
    admitted = chart.moment()
    payload = {
        "visit_number": f"V{chart.number:07}",
        "facility": chart.one_of(("NOR-01", "SOU-02", "WES-03")),
        "patient_class": chart.one_of(("E", "I", "O", "B", "R")),
        "utc_offset": "+10:00",
        "admit_time": admitted.strftime(_MINUTE),
        "discharge_time": chart.later(admitted).strftime(_MINUTE) if chart.happens(0.9) else None,
        "diagnoses": chart.diagnoses(),
    }
    if chart.happens(0.3):
        payload["admit_reason"] = "As told at the desk"
    return payload


def _claim(chart: Chart) -> dict[str, Any]:
    begun = chart.moment()
    services = chart.services()
    return {
        "claim_number": f"C-{chart.number:07}",
        "service_from": begun.strftime("%Y-%m-%d"),
        "service_to": chart.later(begun).strftime("%Y-%m-%d"),
        "currency": "USD",
        "total_charge": _amount(sum(cents for _, _, cents in services)),
        "diagnoses": chart.diagnoses(),
        "charges": [
            {"procedure_code": code, "quantity": units, "charge": _amount(cents)}
            for code, units, cents in services
        ],
    }


def _lab_result(chart: Chart) -> dict[str, Any]:
    results: list[dict[str, Any]] = [
        {
            "loinc": measurement.analyte.loinc,
            "value_type": "NM",
            "value": measurement.value,
            "units": _LOCAL_UNITS.get(measurement.analyte.unit, measurement.analyte.unit),
            "abnormal_flag": _FLAGS[measurement.flag],
        }
        for measurement in chart.measurements()
    ]
    if chart.happens(0.4):
        results.append(
            {"loinc": CORONAVIRUS_LOINC, "value_type": "CE", "value": chart.one_of(("DET", "NDET"))}
        )
    return {
        "accession_number": f"L24-{chart.number:07}",
        "utc_offset": "+10:00",
        "collected_time": chart.moment().strftime(_MINUTE),
        "results": results,
    }


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
