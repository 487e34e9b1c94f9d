"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from infra.cli.failure import fail

_DURATION = re.compile(r"(-?\d{1,12})([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# A longer one is a typing error, and soon lies before the first year of the calendar.
_LONGEST_SECONDS = 36_525 * 86_400


def read_duration(text: str) -> timedelta | None:
    """Read a number and s, m, h or d, such as 15m, of at most a century; return None for anything else."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]] if match else _LONGEST_SECONDS + 1
    return timedelta(seconds=seconds) if abs(seconds) <= _LONGEST_SECONDS else None


def read_moment(text: str, option: str) -> str:
    """Read a time, UTC unless it says otherwise, or a duration before now, and return it in RFC 3339.

    Any other text ends the command.
    """
    duration = read_duration(text)
    if duration is not None:
        return (datetime.now(UTC) - duration).isoformat()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{option} is a time such as 2026-11-24T12:00Z, or how long ago, such as 24h")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
