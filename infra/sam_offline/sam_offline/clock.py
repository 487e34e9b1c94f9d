"""The clock of schedules, ages and waits: the machine's, which a test can move forward."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

# The machine's clock is read at least this often, however long the wait: it may have been set, or the machine slept.
_LONGEST_TIMER_SECONDS = 30.0


class Alarm:
    """A call that is due at `moment`, until it is cancelled."""

    def __init__(self, moment: datetime, ring: Callable[[], None]) -> None:
        self.moment = moment
        self.ring: Callable[[], None] | None = ring

    def cancel(self) -> None:
        self.ring = None


class Clock:
    """A clock that lives in one event loop; any thread may read `now`. All moments are aware UTC."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._order = itertools.count()
        self._alarms: list[tuple[datetime, int, Alarm]] = []
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def call_at(self, moment: datetime, ring: Callable[[], None]) -> Alarm:
        """Call `ring` at `moment`, or soon if that is in the past."""
        alarm = Alarm(moment, ring)
        heapq.heappush(self._alarms, (moment, next(self._order), alarm))
        self._set_timer()
        return alarm

    async def sleep(self, seconds: float) -> None:
        """Wait for a time measured by this clock."""
        over = asyncio.Event()
        alarm = self.call_at(self.now() + timedelta(seconds=seconds), over.set)
        try:
            await over.wait()
        finally:
            alarm.cancel()

    async def move(self, seconds: float) -> datetime:
        """Move the clock forward and return the new time.

        Every alarm on the way rings at its own moment, in order. Raises ValueError for a negative number.
        """
        if seconds < 0:
            raise ValueError("the clock goes forward only")
        target = self.now() + timedelta(seconds=seconds)
        while self._alarms and self._alarms[0][0] <= target:
            moment = self._alarms[0][0]
            self._ahead += max(moment - self.now(), timedelta())
            self._ring(moment)
            # A woken task sets its next alarm before the clock moves on.
            for _ in range(3):
                await asyncio.sleep(0)
        self._ahead += max(target - self.now(), timedelta())
        self._set_timer()
        return self.now()

    def stop(self) -> None:
        """Cancel every alarm."""
        self._alarms.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._alarms:
            wait_seconds = (self._alarms[0][0] - self.now()).total_seconds()
            delay_seconds = min(max(wait_seconds, 0.0), _LONGEST_TIMER_SECONDS)
            self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        self._ring(self.now())
        self._set_timer()

    def _ring(self, until: datetime) -> None:
        due = []
        while self._alarms and self._alarms[0][0] <= until:
            due.append(heapq.heappop(self._alarms)[2])
        for alarm in due:
            if alarm.ring is not None:
                alarm.ring()
