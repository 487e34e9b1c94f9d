"""Hospital B: it speaks a payer's X12 and posts to /v2/ingest in the form of contracts/partners/partnerB.v1."""

from __future__ import annotations

from typing import Any

from infra.cli.demo.clinical import CORONAVIRUS_LOINC, Chart
from infra.cli.demo.people import Person

SOURCE = "hospital-b"
SCHEMA_HINT = "partnerB.v1"
PROVIDER = "1234567893"
_DAY, _HOUR = "%Y%m%d", "%H"


def compose(person: Person) -> dict[str, Any]:
    """Return the body that hospital B posts for a person."""
    chart = Chart(person)
    payload = {"encounter": _encounter, "claim": _claim, "lab_result": _lab_result}[chart.kind](chart)
    return {
        "source": SOURCE,
        "record_kind": chart.kind,
        "schema_hint": SCHEMA_HINT,
        "patient": {
            "given_name": person.given_name,
            "family_name": person.family_name,
            "dob": person.dob,
            "ssn": person.ssn,
        },
        "payload": {"member_id": f"B{chart.number:05}-01", **payload},
    }


def _encounter(chart: Chart) -> dict[str, Any]:
    admitted = chart.moment()
    payload: dict[str, Any] = {
        "encounter_id": f"88{chart.number:07}",
        "billing_provider_npi": PROVIDER,
        "place_of_service": chart.one_of(("02", "11", "12", "21", "22", "23")),
        "admission_date": admitted.strftime(_DAY),
        "admission_hour": admitted.strftime(_HOUR),
        "diagnosis_codes": _without_dots(chart.diagnoses()),
    }
    if chart.happens(0.9):
        discharged = chart.later(admitted)
        payload["discharge_date"] = discharged.strftime(_DAY)
        payload["discharge_hour"] = discharged.strftime(_HOUR)
    return payload


def _claim(chart: Chart) -> dict[str, Any]:
    begun = chart.moment()
    services = chart.services()
    return {
        "claim_number": f"26-{chart.number:07}",
        "billing_provider_npi": PROVIDER,
        "statement_from": begun.strftime(_DAY),
        "statement_to": chart.later(begun).strftime(_DAY),
        "total_charge": _amount(sum(cents for _, _, cents in services)),
        "diagnosis_codes": _without_dots(chart.diagnoses()),
        "service_lines": [
            {"procedure": f"HC:{code}", "units": str(units), "charge": _amount(cents)}
            for code, units, cents in services
        ],
    }


def _lab_result(chart: Chart) -> dict[str, Any]:
    collected = chart.moment()
    observations: list[dict[str, Any]] = [
        {
            "loinc_code": measurement.analyte.loinc,
            "result_numeric": measurement.value,
            "unit": measurement.analyte.unit,
            "flag": measurement.flag,
        }
        for measurement in chart.measurements()
    ]
    if chart.happens(0.4):
        result = chart.one_of(("detected", "not_detected"))
        observations.append({"loinc_code": CORONAVIRUS_LOINC, "result_code": result})
    return {
        "accession_number": f"RL-{chart.number:08}",
        "collected_date": collected.strftime(_DAY),
        "collected_time": collected.strftime("%H%M"),
        "observations": observations,
    }


def _without_dots(codes: list[str]) -> list[str]:
    return [code.replace(".", "") for code in codes]


def _amount(cents: int) -> str:
    """Return the amount as X12 writes it, without trailing zeros."""
    return f"{cents // 100}.{cents % 100:02}".rstrip("0").rstrip(".")
