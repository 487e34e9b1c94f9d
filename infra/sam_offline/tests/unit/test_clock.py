from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from sam_offline.clock import Clock


def test_alarms_on_the_way_ring_at_their_own_moment_in_order() -> None:
    async def scenario() -> list[tuple[str, int]]:
        clock, rung = Clock(), []
        start = clock.now()

        def ring(name: str) -> None:
            rung.append((name, round((clock.now() - start).total_seconds() / 60)))

        def every_hour(due: datetime) -> None:
            ring("hour")
            clock.call_at(due + timedelta(hours=1), lambda: every_hour(due + timedelta(hours=1)))

        first = start + timedelta(hours=1)
        clock.call_at(start + timedelta(minutes=90), lambda: ring("once"))
        clock.call_at(first, lambda: every_hour(first))
        clock.call_at(start + timedelta(minutes=100), lambda: ring("cancelled")).cancel()
        await clock.move(3 * 3600)
        clock.stop()
        return rung

    assert asyncio.run(scenario()) == [("hour", 60), ("once", 90), ("hour", 120), ("hour", 180)]


def test_a_sleeper_wakes_when_the_clock_has_gone_past_its_time() -> None:
    async def scenario() -> bool:
        clock = Clock()
        sleeper = asyncio.create_task(clock.sleep(3600))
        await asyncio.sleep(0)
        await clock.move(3599)
        slept_on = not sleeper.done()
        await clock.move(1)
        await asyncio.wait_for(sleeper, 5)
        return slept_on

    assert asyncio.run(scenario())


def test_without_being_moved_it_is_the_machines_clock() -> None:
    async def scenario() -> float:
        clock, rang = Clock(), asyncio.Event()
        began = clock.now()
        clock.call_at(began + timedelta(milliseconds=20), rang.set)
        await asyncio.wait_for(rang.wait(), 5)
        return (clock.now() - began).total_seconds()

    assert asyncio.run(scenario()) >= 0.02


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="forward"):
        asyncio.run(Clock().move(-1))
