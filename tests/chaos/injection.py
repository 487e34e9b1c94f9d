"""Which traffic is disturbed, when, and how often."""

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
    """What a disturbance may know of the connection that it meets, and do to it."""

    client_port: int
    """The client's own end, which tells whose connection it is."""
    service_port: int
    """The client's end as the service sees it."""

    def reset(self) -> None:
        """End it on both sides at once, as a dying machine does."""

    def answer(self, data: bytes, *, last: bool) -> None:
        """Say to the client what the service never said."""


class Disturbance(Protocol):
    """Something that is done when a passage comes by."""

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        """True when the passage may go on."""


@dataclass(frozen=True)
class Rule:
    """Disturb `share` of all passages of a step at a moment, `times` at most, `gap_seconds` apart."""

    step: Step
    moment: Moment
    disturbance: Disturbance
    share: float = 1.0
    times: int | None = None
    gap_seconds: float = 0.0


class Injector:
    """Applies the rules that are armed to whatever passes. Lives in one event loop."""

    def __init__(self, system: SystemUnderTest, seed: int) -> None:
        self.system = system
        # Chance decides who is hit; a seed makes it the same chance again.
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
        """Whether every rule with a number of times has been applied so often."""
        return all(left in (None, 0) for left in self._left.values())

    def note(self) -> None:
        """Something has been done to the system, or undone, now."""
        self.injected += 1
        self.last_at = time.time()

    def lift(self) -> None:
        """What was done for a while is over now."""
        self.last_at = time.time()

    def later(self, work: Coroutine[None, None, None]) -> None:
        """Do it beside the traffic; `settle` waits for it."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)

    async def settle(self) -> None:
        """Return when everything that was begun is over."""
        await asyncio.gather(*self._unfinished)

    async def lets_pass(self, connection: Connection, passage: Passage, moment: Moment) -> bool:
        """Disturb the passage where a rule says so; False when it must not go on."""
        rule = self._find(passage.step, moment)
        if rule is None:
            return True
        # Before it is over: a client that waits no longer ends the connection, and this with it.
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
