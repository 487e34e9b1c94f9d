"""Values that every format's mapping reads, and the drafts that it makes of them.

Each error names the field that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from exchange.errors import ContractViolation
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

_DECIMALS_KEPT = 6


def read_day(text: str, *, field: str) -> date:
    """Read a day from YYYY-MM-DD or YYYYMMDD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        # The cause quotes the text, which may be part of a person's record.
        raise ContractViolation("is not a day of the calendar", field=field) from None


def read_instant(text: str, *, field: str) -> datetime:
    """Read an instant, in aware UTC, from any ISO 8601 date and time that ends in an offset."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ContractViolation("is not a date and time of the calendar", field=field) from None


def read_number(number: str | float, *, field: str) -> Decimal:
    """Read a number of at most six decimals, exactly as it was written."""
    value = Decimal(str(number))
    if value != round(value, _DECIMALS_KEPT):
        raise ContractViolation(f"must have at most {_DECIMALS_KEPT} decimals", field=field)
    return value


def read_cents(amount: str | float, *, field: str) -> int:
    """Read an amount in a currency with two decimals; return cents."""
    cents = Decimal(str(amount)) * 100
    if cents != int(cents):
        raise ContractViolation("must have at most two decimals", field=field)
    return int(cents)


def read_service_days(body: Mapping[str, Any], first: str, last: str, *, at: str) -> tuple[date, date]:
    """Read the two days of a claim's service, which lie at `at` under the names `first` and `last`."""
    service_from = read_day(body[first], field=f"{at}.{first}")
    service_to = read_day(body[last], field=f"{at}.{last}")
    _require_order(service_from, service_to, field=f"{at}.{last}")
    return service_from, service_to


def claim_line(
    index: int, procedure_code: str, units: float | str, amount: float | str, *, field: str
) -> ClaimLine:
    """Return a service of a claim; `index` counts from 0, `field` is that of the amount."""
    # JSON Schema takes 1.0 for an integer.
    return ClaimLine(index + 1, procedure_code, int(units), read_cents(amount, field=field))


def observation(
    index: int,
    loinc_code: str,
    *,
    number: float | str | None,
    number_field: str,
    code: CodedResult | None,
    unit: str | None,
    flag: AbnormalFlag | None,
) -> LabObservation:
    """Return a result, a number or a code; `index` counts from 0."""
    value = None if number is None else read_number(number, field=number_field)
    return LabObservation(index + 1, loinc_code, value, code, unit, flag)


def draft_encounter(
    *identifiers: Identifier,
    facility_id: str,
    encounter_class: EncounterClass,
    admitted_at: datetime,
    discharged_at: datetime | None,
    discharge_field: str,
    diagnosis_codes: Iterable[str],
) -> Draft:
    """Draft an encounter; refuse a discharge before the admission, by its field."""
    _require_order(admitted_at, discharged_at, field=discharge_field)
    return Draft(
        identifiers,
        partial(
            Encounter,
            facility_id=facility_id,
            encounter_class=encounter_class,
            admitted_at=admitted_at,
            discharged_at=discharged_at,
            diagnosis_codes=tuple(diagnosis_codes),
        ),
    )


def draft_claim(
    *identifiers: Identifier,
    service_days: tuple[date, date],
    lines: Sequence[ClaimLine],
    total: float | str,
    total_field: str,
    currency: str,
    diagnosis_codes: Iterable[str],
) -> Draft:
    """Draft a claim; refuse a total that its lines do not add up to, by its field."""
    total_amount_cents = read_cents(total, field=total_field)
    if total_amount_cents != sum(line.amount_cents for line in lines):
        raise ContractViolation("is not the sum of the lines", field=total_field)
    service_from, service_to = service_days
    return Draft(
        identifiers,
        partial(
            Claim,
            service_from=service_from,
            service_to=service_to,
            total_amount_cents=total_amount_cents,
            currency=currency,
            diagnosis_codes=tuple(diagnosis_codes),
            lines=tuple(lines),
        ),
    )


def draft_lab_result(
    *identifiers: Identifier, collected_at: datetime, observations: Iterable[LabObservation]
) -> Draft:
    """Draft a lab result."""
    return Draft(identifiers, partial(LabResult, collected_at=collected_at, observations=tuple(observations)))


def _require_order(first: date, last: date | None, *, field: str) -> None:
    if last is not None and last < first:
        raise ContractViolation("lies before the beginning", field=field)
