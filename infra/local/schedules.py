"""Fires a function on a `rate()`: at the start, then every period.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from .errors import TemplateError, UnknownSchedule
from .invocation import Invokes
from .model import ACCOUNT_ID, Schedule

_RATE = re.compile(r"rate\((\d+) (minute|hour|day|second)s?\)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class Scheduler:
    """Runs every enabled schedule. Runs may overlap, as far as the function's concurrency goes."""

    def __init__(self, schedules: Iterable[Schedule], region: str, invoker: Invokes) -> None:
        self._schedules = tuple(schedules)
        self._region = region
        self._invoker = invoker
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self.fired: dict[str, int] = {schedule.logical_id: 0 for schedule in self._schedules}

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        return self._schedules

    def start(self) -> None:
        """Fire each schedule now and then on its period. Raises TemplateError for a rate that is none."""
        loop = asyncio.get_running_loop()
        for schedule in self._schedules:
            period_seconds = rate_seconds(schedule.expression)
            if schedule.enabled and period_seconds is not None:
                self._fire_at(loop.time(), schedule, period_seconds)

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def trigger(self, name: str) -> None:
        """Fire a schedule now, by its name or logical id. Raises UnknownSchedule."""
        for schedule in self._schedules:
            if name in (schedule.name, schedule.logical_id):
                self._fire(schedule)
                return
        raise UnknownSchedule(name)

    def _fire_at(self, moment: float, schedule: Schedule, period_seconds: float) -> None:
        def fire() -> None:
            self._fire(schedule)
            self._fire_at(moment + period_seconds, schedule, period_seconds)

        loop = asyncio.get_running_loop()
        # After a sleep of the machine one run makes up for those that were missed.
        moment = max(moment, loop.time())
        self._timers[schedule.logical_id] = loop.call_at(moment, fire)

    def _fire(self, schedule: Schedule) -> None:
        self.fired[schedule.logical_id] += 1
        payload = schedule.input_json or json.dumps(self._scheduled_event(schedule))
        self._invoker.invoke_later(schedule.function_name, payload.encode())

    def _scheduled_event(self, schedule: Schedule) -> dict[str, object]:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT_ID,
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": self._region,
            "resources": [f"arn:aws:events:{self._region}:{ACCOUNT_ID}:rule/{schedule.name}"],
            "detail": {},
        }


def rate_seconds(expression: str) -> float | None:
    """Return the period of a `rate()`; None for `cron()` and `at()`, which fire by trigger only."""
    if not expression.startswith("rate("):
        return None
    match = _RATE.fullmatch(expression)
    if match is None or int(match[1]) == 0:
        raise TemplateError(f"{expression} is not a rate")
    return float(int(match[1]) * _SECONDS[match[2]])
