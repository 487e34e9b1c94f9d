"""The identity of this execution environment."""

from __future__ import annotations

from functools import cache
from uuid import uuid4


@cache
def environment_id() -> str:
    """Return this process's name; a restarted process is another environment and has another name."""
    return uuid4().hex
