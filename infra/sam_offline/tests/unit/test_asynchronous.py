from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from sam_offline.clock import Clock
from sam_offline.errors import FunctionThrottled, FunctionUnreachable, RunnerError
from sam_offline.invocation.asynchronous import AsynchronousInvokes
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer
from sam_offline.model import AsynchronousConfig, DeliveryPolicy, Destination, Function, Source


class Away:
    """Functions that cannot be reached a number of times and then succeed."""

    def __init__(self, error: RunnerError, times: int) -> None:
        self._error = error
        self._times = times
        self.tries = 0

    def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Awaitable[Answer]:
        self.tries += 1
        return self._answer()

    async def _answer(self) -> Answer:
        if self.tries <= self._times:
            raise self._error
        return Answer("id", b"null")


def function(config: AsynchronousConfig) -> Function:
    return Function(
        logical_id="Orders",
        name="Orders",
        arn="arn",
        handler="app.handler",
        runtime="python3.11",
        source=Source("Orders", Path()),
        layers=(),
        environment={},
        asynchronous=config,
    )


def run(invoker: Away, policy: DeliveryPolicy, config: AsynchronousConfig, hours: float) -> list[str]:
    """Hand over an event while the clock runs, and return the announcements."""
    said: list[str] = []

    async def scenario() -> None:
        clock = Clock()
        queue = AsynchronousInvokes(
            lambda _: function(config),
            invoker,
            buckets=Buckets({}),
            clock=clock,
            announce=said.append,
            retry_delays_seconds=(60, 120),
        )
        queue.submit("Orders", b"{}", policy)
        for _ in range(round(hours * 60)):
            await asyncio.sleep(0)
            await clock.move(60)
        queue.cancel()
        clock.stop()

    asyncio.run(scenario())
    return said


TELLS = AsynchronousConfig(on_failure=Destination("unsupported", "sqs"), maximum_age_seconds=3600)


@pytest.mark.parametrize(
    ("policy", "tries"),
    [
        (DeliveryPolicy(maximum_retries=3), 4),
        (DeliveryPolicy(maximum_retries=0), 1),
        # After 1, 2, 4, 8, 16 and 32 seconds the next pause would be over the minute.
        (DeliveryPolicy(maximum_age_seconds=60), 6),
    ],
)
def test_a_schedule_hands_its_event_over_as_often_and_long_as_its_policy_says(
    policy: DeliveryPolicy, tries: int
) -> None:
    invoker = Away(FunctionUnreachable("away"), 1000)
    said = run(invoker, policy, TELLS, 2)
    assert invoker.tries == tries
    assert len(said) == 1
    assert said[0].endswith("EventAgeExceeded: would go to sqs")


def test_a_throttled_event_waits_as_long_as_the_function_lets_it_live() -> None:
    late = Away(FunctionThrottled("Orders"), 12)
    assert run(late, DeliveryPolicy(maximum_retries=0), TELLS, 2) == []
    assert late.tries == 13
    too_late = Away(FunctionThrottled("Orders"), 1000)
    assert len(run(too_late, DeliveryPolicy(maximum_retries=0), TELLS, 2)) == 1
