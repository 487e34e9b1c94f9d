"""Readers of the values that all formats share: days, instants, amounts. Each error names the wrong field."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from exchange.errors import ContractViolation
from exchange.records.model import ClaimLine

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


def require_order(first: date, last: date | None, *, field: str) -> None:
    """Refuse `last`, the value of `field`, when it lies before `first`; both are days or both are instants."""
    if last is not None and last < first:
        raise ContractViolation("lies before the beginning", field=field)


def require_sum(total_cents: int, lines: Sequence[ClaimLine], *, field: str) -> None:
    """Refuse the total, the value of `field`, when the lines do not add up to it."""
    if total_cents != sum(line.amount_cents for line in lines):
        raise ContractViolation("is not the sum of the lines", field=field)
