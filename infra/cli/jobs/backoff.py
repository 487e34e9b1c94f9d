"""Back-off: pauses that grow while something is under way."""

from __future__ import annotations

import time
from collections.abc import Iterator

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


def backoff(wait_seconds: float) -> Iterator[None]:
    """Yield immediately, then after doubling pauses, until `wait_seconds` are over."""
    deadline = time.monotonic() + wait_seconds
    pause = FIRST_PAUSE_SECONDS
    yield
    while time.monotonic() + pause <= deadline:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        yield
