"""Schedule expressions: `rate()`, `cron()` and `at()`.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aws_croniter import AwsCroniter
from aws_croniter.exceptions import AwsCroniterExpressionError

from sam_offline.errors import TemplateError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_MONTH_DAY, _WEEK_DAY, _FIELDS = 2, 4, 6

# Returns the first moment after the given one, or None if there is none.
Recurrence = Callable[[datetime], datetime | None]


def parse_expression(expression: str, zone: ZoneInfo, anchor: datetime) -> Recurrence:
    """Return the times at which `expression` is due. Raises TemplateError for one that AWS would refuse.

    A rate counts from `anchor` and is due at it; `cron()` and `at()` are wall time in `zone`.
    """
    if expression.startswith("rate("):
        return _rate(expression, anchor)
    if expression.startswith("at("):
        return _at(expression, zone)
    if expression.startswith("cron("):
        return _cron(expression, zone)
    raise TemplateError(f"{expression} is no rate(), cron() or at()")


def _rate(expression: str, anchor: datetime) -> Recurrence:
    match = _RATE.fullmatch(expression)
    if match is None or int(match[1]) == 0:
        raise TemplateError(f"{expression} is not a rate")
    # A rule's unit is singular for one, plural for more; the Scheduler takes `rate(1 hours)` as well.
    if int(match[1]) > 1 and not match[3]:
        raise TemplateError(f"{expression}: the unit of more than one is {match[2]}s")
    period = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])

    def next_after(moment: datetime) -> datetime:
        return anchor if moment < anchor else anchor + ((moment - anchor) // period + 1) * period

    return next_after


def _at(expression: str, zone: ZoneInfo) -> Recurrence:
    try:
        once = datetime.strptime(expression, "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=zone).astimezone(UTC)
    except ValueError as error:
        raise TemplateError(f"{expression} is not at(yyyy-mm-ddThh:mm:ss)") from error
    return lambda moment: once if moment < once else None


def _cron(expression: str, zone: ZoneInfo) -> Recurrence:
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if len(fields) == _FIELDS and fields[_WEEK_DAY] == "L":
        # The last day of the week is Saturday; the library knows `7L`, the last Saturday of the month, only.
        fields[_WEEK_DAY] = "7"
    if len(fields) == _FIELDS and fields[_MONTH_DAY] == "LW":
        raise TemplateError(f"{expression}: LW is not supported")
    try:
        cron = AwsCroniter(" ".join(fields))
    except (AwsCroniterExpressionError, ValueError) as error:
        raise TemplateError(f"{expression} is not a cron expression: {error}") from error

    def next_after(moment: datetime) -> datetime | None:
        # The library counts in UTC: it is given the wall time as if it were.
        wall = moment.astimezone(zone).replace(tzinfo=UTC)
        while True:
            found: datetime | None = cron.get_next(wall)[0]
            if found is None:
                return None
            # A skipped hour has no run; a repeated hour has its run the first time only:
            # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time
            due = found.replace(tzinfo=zone).astimezone(UTC)
            exists = due.astimezone(zone).replace(tzinfo=UTC, fold=0) == found
            if exists and due > moment:
                return due
            wall = found

    return next_after
