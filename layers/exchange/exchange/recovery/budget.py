"""The budget of a replay: the number of events that a shard may emit now, by its rate and its limit."""

from __future__ import annotations

from exchange.recovery.jobs import Checkpoint
from exchange.recovery.model import Counts
from exchange.recovery.scan import PAGE_OBJECTS

# The same limit as in read_checkpoint.
EARNED_SECONDS = 60.0


class Budget:
    """The number of events that a shard may emit now: those that its rate has accumulated, within its limit."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        emits = checkpoint.request["mode"] == "emit"
        rate: float | None = checkpoint.request.get("rate_per_sec") if emits else None
        self._rate = rate / checkpoint.shard.count if rate else None
        self._limit = checkpoint.request.get("limit")
        self._left = PAGE_OBJECTS
        self._missing_seconds = 0.0
        if self._rate:
            # At most a minute accumulates. An event that costs more than that is sent then and paid for afterwards.
            self._missing_seconds = min(1 / self._rate, EARNED_SECONDS) - checkpoint.earned_seconds
            self._left = (
                0 if self._missing_seconds > 0 else max(int(checkpoint.earned_seconds * self._rate), 1)
            )

    @property
    def has_page(self) -> bool:
        return self._rate is None or self._left > 0

    @property
    def seconds_until_page(self) -> float:
        """The time until the rate allows another event, at least a tenth of an event's time."""
        return max(self._missing_seconds, 0.1 / self._rate) if self._rate else 0.0

    def page_limit(self) -> int:
        return PAGE_OBJECTS if self._rate is None else max(min(PAGE_OBJECTS, self._left), 1)

    def left(self, counts: Counts) -> int:
        return PAGE_OBJECTS if self._limit is None else self._limit - counts.values.get("objects", 0)

    def is_at_limit(self, counts: Counts) -> bool:
        return self._limit is not None and counts.values.get("objects", 0) >= self._limit

    def spend(self, events: int) -> float:
        """Take events from the budget; return the seconds of the rate that they cost."""
        if self._rate is None:
            return 0.0
        self._left -= events
        return events / self._rate
