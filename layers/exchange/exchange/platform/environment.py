"""The identity of this execution environment."""

from __future__ import annotations

from functools import cache
from uuid import uuid4


@cache
def environment_id() -> str:
    """Return the id of this process; a restarted process is another environment."""
    return uuid4().hex
