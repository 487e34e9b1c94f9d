"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from infra.cli.failure import fail

_DURATION = re.compile(r"(-?\d{1,12})([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# Longer is a slip of the finger, and soon before any calendar.
_LONGEST_SECONDS = 36_525 * 86_400


def read_duration(text: str) -> timedelta | None:
    """A number and s, m, h or d, such as 15m, of a century at most; None for anything else."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else _LONGEST_SECONDS + 1
    return timedelta(seconds=seconds) if abs(seconds) <= _LONGEST_SECONDS else None


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
