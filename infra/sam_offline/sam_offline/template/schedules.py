"""The schedules of a template: EventBridge's rules, and schedules of EventBridge Scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sam_offline.arn import function_name_of
from sam_offline.errors import TemplateError
from sam_offline.model import DeliveryPolicy, Schedule
from sam_offline.template.resources import Resources
from sam_offline.template.schedule_expression import parse_expression


def read_schedules(resources: Resources) -> Iterator[Schedule]:
    """Yield every schedule whose target is a function. Raises TemplateError for an invalid expression."""
    for logical_id, resource in resources.of("Events::Rule"):
        if "ScheduleExpression" in (resource.get("Properties") or {}):
            target = next(filter(_is_function, resources.get(resource, "Targets", [])), None)
            if target is not None:
                yield _checked(_schedule(resources, logical_id, resource, target, is_rule=True))
    for logical_id, resource in resources.of("Scheduler::Schedule"):
        target = resources.get(resource, "Target")
        if _is_function(target):
            yield _checked(_schedule(resources, logical_id, resource, target, is_rule=False))


def _is_function(target: Mapping[str, Any]) -> bool:
    return ":lambda:" in str(target.get("Arn", ""))


def _schedule(
    resources: Resources,
    logical_id: str,
    resource: Mapping[str, Any],
    target: Mapping[str, Any],
    *,
    is_rule: bool,
) -> Schedule:
    policy = target.get("RetryPolicy") or {}
    return Schedule(
        logical_id=logical_id,
        name=str(resources.get(resource, "Name", logical_id)),
        expression=str(resources.get(resource, "ScheduleExpression")),
        function_name=function_name_of(target["Arn"]),
        input_json=target.get("Input"),
        enabled=resources.get(resource, "State", "ENABLED") != "DISABLED",
        is_rule=is_rule,
        # Rules know UTC only.
        time_zone="UTC" if is_rule else str(resources.get(resource, "ScheduleExpressionTimezone", "UTC")),
        start=None if is_rule else _moment(logical_id, resources.get(resource, "StartDate")),
        end=None if is_rule else _moment(logical_id, resources.get(resource, "EndDate")),
        delivery=DeliveryPolicy(
            maximum_retries=int(policy.get("MaximumRetryAttempts", 185)),
            maximum_age_seconds=float(policy.get("MaximumEventAgeInSeconds", 86_400)),
        ),
    )


def _checked(schedule: Schedule) -> Schedule:
    try:
        zone = ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TemplateError(f"{schedule.logical_id}: {schedule.time_zone} is no time zone") from error
    if schedule.is_rule and schedule.expression.startswith("at("):
        raise TemplateError(f"{schedule.logical_id}: a rule knows rate() and cron() only")
    try:
        parse_expression(schedule.expression, zone, datetime.now(UTC))
    except TemplateError as error:
        raise TemplateError(f"{schedule.logical_id}: {error}") from error
    return schedule


def _moment(logical_id: str, declared: Any) -> datetime | None:
    if declared is None:
        return None
    # YAML parses an unquoted date.
    text = declared.isoformat() if hasattr(declared, "isoformat") else str(declared)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TemplateError(f"{logical_id}: {text} is no date and time") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
