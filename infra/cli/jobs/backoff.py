"""Back-off: pauses that grow while something is under way."""

from __future__ import annotations

import time
from collections.abc import Iterator

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


def backoff(wait_seconds: float) -> Iterator[None]:
    """Yield at once, then after pauses that double up to a limit, while a pause ends within `wait_seconds`."""
    deadline = time.monotonic() + wait_seconds
    pause = FIRST_PAUSE_SECONDS
    yield
    while time.monotonic() + pause <= deadline:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        yield
