"""The time that an invocation has left for its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True, order=True)
class Deadline:
    """The moment after which no new piece of work begins, on a monotonic clock."""

    at_seconds: float
    clock: Callable[[], float] = field(default=time.monotonic, compare=False)

    @classmethod
    def of(cls, context: LambdaContext, *, reserve_seconds: float, least_seconds: float = 0.0) -> Self:
        """Return the deadline of an invocation.

        `reserve_seconds` is the time that the last piece of work may take, since it must end before the invocation
        does. `least_seconds` is what a function gets to work, however short its timeout.
        """
        seconds = context.get_remaining_time_in_millis() / 1000 - reserve_seconds
        return cls.after(max(seconds, least_seconds))

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline that lies `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining_seconds(self) -> float:
        """The time left, negative once the deadline has passed."""
        return self.at_seconds - self.clock()

    @property
    def has_passed(self) -> bool:
        return self.remaining_seconds <= 0

    def half(self) -> Self:
        """Return the deadline halfway between now and this one."""
        return replace(self, at_seconds=self.at_seconds - self.remaining_seconds / 2)


NEVER = Deadline(float("inf"))
"""The deadline of work that has none."""
