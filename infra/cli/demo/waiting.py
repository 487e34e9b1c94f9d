"""Waiting for the exchange to finish what it accepted."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.cli.demo.evidence import Evidence

POLL_SECONDS = 0.2
# The exchange tries again for as long as it takes; a demo that sees nothing move for this long gives up.
STALLED_AFTER_SECONDS = 60.0


def wait_until_finished(evidence: Evidence, expected: int, on_count: Callable[[int], None]) -> None:
    """Return when `expected` watched records are canonical or dead letters, or when none has become so for a minute."""
    finished, moved_at = -1, time.monotonic()
    while True:
        count = evidence.count_finished()
        if count != finished:
            finished, moved_at = count, time.monotonic()
            on_count(count)
        if finished >= expected or time.monotonic() - moved_at > STALLED_AFTER_SECONDS:
            return
        time.sleep(POLL_SECONDS)
