"""The rules for which traffic is disturbed, when, and how often."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Protocol

from tests.chaos.steps import Moment, Passage, Step
from tests.chaos.system import SystemUnderTest


class Connection(Protocol):
    """The connection that a disturbance meets, as far as it may see and change it."""

    client_port: int
    """The port of the client, which identifies its process."""
    service_port: int
    """The client's port as the service sees it."""

    def reset(self) -> None:
        """Reset the connection on both sides at once, as a dying machine does."""

    def answer(self, data: bytes, *, last: bool) -> None:
        """Send the client an answer that did not come from the service."""


class Disturbance(Protocol):
    """A disturbance that meets a passage."""

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        """Disturb; return True when the passage may go on."""


@dataclass(frozen=True)
class Rule:
    """Disturbs `share` of all passages of a step at a moment, at most `times` times, `gap_seconds` apart."""

    step: Step
    moment: Moment
    disturbance: Disturbance
    share: float = 1.0
    times: int | None = None
    gap_seconds: float = 0.0


class Injector:
    """Applies the armed rules to the traffic. Must be used in one event loop."""

    def __init__(self, system: SystemUnderTest, seed: int) -> None:
        self.system = system
        # Chance decides which passages are hit; a seed makes it repeatable.
        self._chance = random.Random(seed)
        self._left: dict[Rule, int | None] = {}
        self._next_at: dict[Rule, float] = {}
        self._unfinished: set[asyncio.Task[None]] = set()
        self.injected = 0
        self.last_at = 0.0

    def arm(self, rules: tuple[Rule, ...]) -> None:
        self._left = {rule: rule.times for rule in rules}
        self._next_at = dict.fromkeys(rules, 0.0)
        self.injected = 0
        self.last_at = 0.0

    def disarm(self) -> None:
        self._left = {}

    @property
    def is_spent(self) -> bool:
        """True when every rule with a number of times has been applied that often."""
        return all(left in (None, 0) for left in self._left.values())

    def note(self) -> None:
        """Record that the system has been disturbed, or released, now."""
        self.injected += 1
        self.last_at = time.time()

    def lift(self) -> None:
        """Record that a lasting disturbance is over now."""
        self.last_at = time.time()

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Run work beside the traffic; `settle` waits for it."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)

    async def settle(self) -> None:
        """Wait until all such work is done."""
        await asyncio.gather(*self._unfinished)

    async def lets_pass(self, connection: Connection, passage: Passage, moment: Moment) -> bool:
        """Disturb the passage if a rule applies; return False when it must not go on."""
        rule = self._find(passage.step, moment)
        if rule is None:
            return True
        # Noted before it is over, because a client that stops waiting closes the connection and cancels this.
        self.note()
        return await rule.disturbance.meet(self, connection, passage)

    def _find(self, step: Step | None, moment: Moment) -> Rule | None:
        if step is None or not self._left:
            return None
        now = time.monotonic()
        for rule, left in self._left.items():
            if (rule.step, rule.moment) != (step, moment) or left == 0 or now < self._next_at[rule]:
                continue
            if self._chance.random() >= rule.share:
                continue
            self._left[rule] = None if left is None else left - 1
            self._next_at[rule] = now + rule.gap_seconds
            return rule
        return None
