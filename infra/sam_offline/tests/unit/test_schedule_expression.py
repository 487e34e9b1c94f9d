from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sam_offline.errors import TemplateError
from sam_offline.template.schedule_expression import Recurrence, parse_expression

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def times(recurrence: Recurrence, after: datetime, count: int) -> list[str]:
    found: list[str] = []
    moment: datetime | None = after
    while moment is not None and len(found) < count:
        moment = recurrence(moment)
        if moment is not None:
            found.append(f"{moment:%Y-%m-%d %H:%M}")
    return found


def due(expression: str, count: int = 3, zone: str = "UTC", after: datetime = NOON) -> list[str]:
    return times(parse_expression(expression, ZoneInfo(zone), NOON), after, count)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(1 minute)", ["2026-01-01 12:01", "2026-01-01 12:02"]),
        ("rate(5 hours)", ["2026-01-01 17:00", "2026-01-01 22:00"]),
        # The examples of EventBridge's own page, and its wildcards.
        ("cron(0 10 * * ? *)", ["2026-01-02 10:00", "2026-01-03 10:00"]),
        ("cron(0/15 * * * ? *)", ["2026-01-01 12:15", "2026-01-01 12:30"]),
        ("cron(0 18 ? * MON-FRI *)", ["2026-01-01 18:00", "2026-01-02 18:00", "2026-01-05 18:00"]),
        ("cron(0 8 1 * ? *)", ["2026-02-01 08:00", "2026-03-01 08:00"]),
        ("cron(0 9 L * ? *)", ["2026-01-31 09:00", "2026-02-28 09:00"]),
        ("cron(0 9 L-2 * ? *)", ["2026-01-29 09:00", "2026-02-26 09:00"]),
        ("cron(0 9 3W * ? *)", ["2026-01-02 09:00", "2026-02-03 09:00"]),
        ("cron(0 9 ? * 6L *)", ["2026-01-30 09:00", "2026-02-27 09:00"]),
        ("cron(0 9 ? * 3#2 *)", ["2026-01-13 09:00", "2026-02-10 09:00"]),
        ("cron(0 9 ? * L *)", ["2026-01-03 09:00", "2026-01-10 09:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(0 0 1 1 ? 2027-2028)", ["2027-01-01 00:00", "2028-01-01 00:00"]),
        ("at(2026-01-01T12:00:01)", ["2026-01-01 12:00"]),
        ("at(2025-12-31T12:00:00)", []),
    ],
)
def test_an_expression_is_due_when_aws_says(expression: str, expected: list[str]) -> None:
    assert due(expression, len(expected) or 1) == expected


def test_what_has_an_end_is_never_due_again() -> None:
    assert due("cron(0 0 1 1 ? 2027)", 3) == ["2027-01-01 00:00"]
    assert due("at(2026-06-01T00:00:00)", 3) == ["2026-06-01 00:00"]


def test_a_rate_is_due_at_its_anchor_and_keeps_its_beat() -> None:
    recurrence = parse_expression("rate(10 minutes)", ZoneInfo("UTC"), NOON)
    assert times(recurrence, NOON - timedelta(hours=1), 1) == ["2026-01-01 12:00"]
    assert times(recurrence, NOON + timedelta(minutes=25), 2) == ["2026-01-01 12:30", "2026-01-01 12:40"]


def test_an_hour_that_the_clocks_skip_has_no_run() -> None:
    after = datetime(2027, 3, 13, 12, tzinfo=UTC)
    # Los Angeles goes from 02:00 to 03:00 on the 14th.
    assert due("cron(30 2 * * ? *)", 1, "America/Los_Angeles", after) == ["2027-03-15 09:30"]


def test_an_hour_that_the_clocks_repeat_has_one_run() -> None:
    after = datetime(2027, 11, 6, 12, tzinfo=UTC)
    # Los Angeles has 01:30 twice on the 7th: at 08:30 and at 09:30 UTC.
    assert due("cron(30 1 * * ? *)", 2, "America/Los_Angeles", after) == [
        "2027-11-07 08:30",
        "2027-11-08 09:30",
    ]
    between = datetime(2027, 11, 7, 9, 10, tzinfo=UTC)
    assert due("cron(30 1 * * ? *)", 1, "America/Los_Angeles", between) == ["2027-11-08 09:30"]


def test_what_is_due_once_is_due_in_its_zone() -> None:
    assert due("at(2026-07-01T09:00:00)", 1, "Europe/Berlin") == ["2026-07-01 07:00"]


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(minute)",
        "rate(1 fortnight)",
        "rate(5 minute)",
        "cron(0 12 * * *)",
        "cron(0 12 * * * *)",
        "cron(0 25 * * ? *)",
        "cron(61 12 * * ? *)",
        "cron(0 9 LW * ? *)",
        "at(tomorrow)",
        "every day",
    ],
)
def test_what_aws_would_refuse_is_an_error(expression: str) -> None:
    with pytest.raises(TemplateError):
        parse_expression(expression, ZoneInfo("UTC"), NOON)
