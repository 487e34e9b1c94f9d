"""Schedules: a rate fires at the start and then every period, `cron()` and `at()` when they are due."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sam_offline.arn import ACCOUNT_ID
from sam_offline.clock import Alarm, Clock
from sam_offline.errors import UnknownFunction, UnknownSchedule
from sam_offline.invocation.asynchronous import AsynchronousInvokes
from sam_offline.model import Schedule
from sam_offline.template.schedule_expression import Recurrence, parse_expression


class Scheduler:
    """Fires every enabled schedule. Runs may overlap, up to the function's concurrency."""

    def __init__(
        self,
        schedules: Iterable[Schedule],
        region: str,
        queue: AsynchronousInvokes,
        clock: Clock,
        announce: Callable[[str], None],
    ) -> None:
        self._schedules = tuple(schedules)
        self._region = region
        self._queue = queue
        self._clock = clock
        self._announce = announce
        self._alarms: dict[str, Alarm] = {}
        self.fired: dict[str, int] = {schedule.logical_id: 0 for schedule in self._schedules}

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        return self._schedules

    def next_due(self, schedule: Schedule) -> datetime | None:
        """Return when a schedule fires next, or None if it never will or the scheduler is stopped."""
        alarm = self._alarms.get(schedule.logical_id)
        return None if alarm is None else alarm.moment

    def start(self) -> None:
        """Start; a schedule that is due at this very moment fires at once."""
        now = self._clock.now()
        for schedule in self._schedules:
            if schedule.enabled:
                # Without a start date a rate begins when its schedule is created, which is now:
                # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#rate-based
                anchor = now if schedule.start is None else schedule.start
                zone = ZoneInfo(schedule.time_zone)
                recurrence = parse_expression(schedule.expression, zone, anchor)
                self._wait(schedule, recurrence, now - timedelta(microseconds=1))

    def stop(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()

    def trigger(self, name: str) -> None:
        """Fire a schedule now, by its name or logical id, even if it is disabled.

        Raises UnknownSchedule, or UnknownFunction if a reload has removed its function.
        """
        for schedule in self._schedules:
            if name in (schedule.name, schedule.logical_id):
                self._fire(schedule, self._clock.now())
                return
        raise UnknownSchedule(name)

    def _wait(self, schedule: Schedule, recurrence: Recurrence, moment: datetime) -> None:
        """Set the alarm for the schedule's first time after `moment`, if there is one before its end."""
        self._alarms.pop(schedule.logical_id, None)
        # Start and end dates do not bound a schedule that fires once:
        # https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
        fires_once = schedule.expression.startswith("at(")
        start, end = (None, None) if fires_once else (schedule.start, schedule.end)
        if start is not None:
            moment = max(moment, start - timedelta(microseconds=1))
        due = recurrence(moment)
        if due is None or (end is not None and due > end):
            return
        ring = partial(self._ring, schedule, recurrence, due)
        self._alarms[schedule.logical_id] = self._clock.call_at(due, ring)

    def _ring(self, schedule: Schedule, recurrence: Recurrence, due: datetime) -> None:
        # After the machine has slept, one run makes up for those that were missed.
        self._wait(schedule, recurrence, max(due, self._clock.now()))
        try:
            self._fire(schedule, due)
        except UnknownFunction:
            # Raised into the clock, the error would take along the other alarms that are due at the same moment.
            self._announce(
                f"{schedule.name} did not fire: {schedule.function_name} is not in the template any more"
            )

    def _fire(self, schedule: Schedule, due: datetime) -> None:
        payload = self._default_event(schedule, due)
        if schedule.input_json is not None:
            payload = schedule.input_json if schedule.is_rule else self._in_context(schedule, due)
        self._queue.submit(schedule.function_name, payload.encode(), schedule.delivery)
        self.fired[schedule.logical_id] += 1

    def _in_context(self, schedule: Schedule, due: datetime) -> str:
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        text = schedule.input_json or ""
        for name, value in (
            ("schedule-arn", self._arn(schedule)),
            ("scheduled-time", f"{due:%Y-%m-%dT%H:%M:%SZ}"),
            ("execution-id", str(uuid.uuid4())),
            ("attempt-number", "1"),
        ):
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return text

    def _default_event(self, schedule: Schedule, due: datetime) -> str:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events" if schedule.is_rule else "aws.scheduler",
            "account": ACCOUNT_ID,
            "time": f"{due:%Y-%m-%dT%H:%M:%SZ}",
            "region": self._region,
            "resources": [self._arn(schedule)],
            # The Scheduler sends its empty detail as text.
            "detail": {} if schedule.is_rule else "{}",
        }
        return json.dumps(event)

    def _arn(self, schedule: Schedule) -> str:
        if schedule.is_rule:
            return f"arn:aws:events:{self._region}:{ACCOUNT_ID}:rule/{schedule.name}"
        return f"arn:aws:scheduler:{self._region}:{ACCOUNT_ID}:schedule/default/{schedule.name}"
