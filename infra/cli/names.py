"""Short names for logical ids: `OutboxPublishFunction`, `outbox-publish` and `outbox_publish` are the same name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from infra.cli.failure import fail

SUFFIX = "Function"


def short_name(logical_id: str) -> str:
    """Return `outbox-publish` for `OutboxPublishFunction`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id.removesuffix(SUFFIX)).lower()


def find_function(name: str, logical_ids: Iterable[str]) -> str:
    """Return the logical id that `name` means; end the command if there is none."""
    known = {_fold(logical_id): logical_id for logical_id in logical_ids}
    if _fold(name) not in known:
        fail(f"there is no function {name}; there are: {', '.join(map(short_name, known.values()))}")
    return known[_fold(name)]


def find_schedule(name: str, function_of: Mapping[str, str]) -> str:
    """Return the schedule with this name; its event's name or its function's will do, too."""
    known: dict[str, str] = {}
    for schedule, function in function_of.items():
        known[_fold(schedule.removeprefix(function))] = schedule
        known.setdefault(_fold(function), schedule)
        known[_fold(schedule)] = schedule
    if _fold(name) not in known:
        events = [short_name(schedule.removeprefix(function)) for schedule, function in function_of.items()]
        fail(f"there is no schedule {name}; there are: {', '.join(events)}")
    return known[_fold(name)]


def _fold(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower().removesuffix(SUFFIX.lower())
