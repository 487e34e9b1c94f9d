from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sam_offline.clock import Clock
from sam_offline.errors import UnknownFunction
from sam_offline.invocation.asynchronous import AsynchronousInvokes
from sam_offline.invocation.destinations import Buckets
from sam_offline.invocation.invocation import Answer
from sam_offline.model import Function, Schedule, Source
from sam_offline.sources.schedules import Scheduler


class Journal:
    """Answers every invocation, and keeps the function's name."""

    def __init__(self) -> None:
        self.invoked: list[str] = []

    async def invoke(self, reference: str, payload: bytes, *, request_id: str = "") -> Answer:
        self.invoked.append(reference)
        return Answer("id", b"null")


def find_function(name: str) -> Function:
    if name == "Gone":
        raise UnknownFunction(name)
    return Function(name, name, "arn", "app.handler", "python3.11", Source(name, Path()), (), {})


def hourly(function: str) -> Schedule:
    return Schedule(f"{function}Hourly", f"{function}Hourly", "rate(1 hour)", function, None, True)


def test_a_schedule_whose_function_is_gone_is_named_and_takes_no_other_with_it() -> None:
    journal, said = Journal(), list[str]()

    async def scenario() -> dict[str, int]:
        clock = Clock()
        queue = AsynchronousInvokes(
            find_function,
            journal,
            buckets=Buckets({}),
            clock=clock,
            announce=said.append,
            retry_delays_seconds=(60,),
        )
        # All of them are due at the same moments.
        schedules = [hourly(function) for function in ("First", "Gone", "Last")]
        scheduler = Scheduler(schedules, "us-east-1", queue, clock, said.append)
        scheduler.start()
        await clock.move(2 * 3600)
        with pytest.raises(UnknownFunction):
            scheduler.trigger("GoneHourly")
        scheduler.stop()
        clock.stop()
        return scheduler.fired

    assert asyncio.run(scenario()) == {"FirstHourly": 3, "GoneHourly": 0, "LastHourly": 3}
    assert journal.invoked == ["First", "Last"] * 3
    assert said == ["GoneHourly did not fire: Gone is not in the template any more"] * 3
