"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from infra.cli.failure import fail

_DURATION = re.compile(r"(-?\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_duration(text: str) -> timedelta | None:
    """A number and s, m, h or d, such as 15m; None for anything else."""
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def read_moment(text: str, option: str) -> str:
    """RFC 3339 for a time, UTC unless it says otherwise, or for a duration before now; ends the command otherwise."""
    duration = read_duration(text)
    if duration is not None:
        return (datetime.now(UTC) - duration).isoformat()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} is a time such as 2026-11-24T12:00Z, or how long ago, such as 24h")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
