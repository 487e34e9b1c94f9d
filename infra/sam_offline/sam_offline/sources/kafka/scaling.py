"""How many pollers a source has.

https://docs.aws.amazon.com/lambda/latest/dg/kafka-scaling-modes.html
"""

from __future__ import annotations

# A poller that fetching does not need any more goes after so many looks.
IDLE_LOOKS = 30


class Scaling:
    """One more where fetching is the bottleneck, one less where it is not any more; never more than partitions."""

    def __init__(self, minimum: int, maximum: int) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._wanted = minimum
        self._idle_looks = 0

    def look(self, *, is_saturated: bool, partitions: int) -> int:
        """Take a look at the pollers as they are, and return how many are wanted."""
        self._idle_looks = 0 if is_saturated else self._idle_looks + 1
        if is_saturated:
            self._wanted += 1
        elif self._idle_looks >= IDLE_LOOKS:
            self._idle_looks = 0
            self._wanted -= 1
        highest = min(self._maximum, partitions)
        self._wanted = max(min(self._minimum, highest), min(self._wanted, highest))
        return self._wanted
