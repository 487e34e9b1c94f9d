from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from pathlib import Path

import pytest

from infra.embedded.errors import NotReady, ServiceFailed
from infra.embedded.process import LONGEST_DELAY_SECONDS, Program, ServiceState, SupervisedProcess


async def ready_at_once() -> None:
    pass


async def never_ready() -> None:
    raise NotReady("it never is")


@pytest.fixture
def spawned() -> list[float]:
    return []


def supervise(folder: Path, spawned: list[float], *argv: str, **changes: object) -> SupervisedProcess:
    defaults: dict[str, object] = {"prove": ready_at_once, "stop_timeout_seconds": 0.3}
    program = Program(
        name="sample",
        port=1,
        argv=argv,
        identity=(),
        env={"PATH": os.defpath},
        directory=folder,
        log=folder / "sample.log",
        **(defaults | changes),  # type: ignore[arg-type]
    )
    return SupervisedProcess(program, lambda *_: spawned.append(time.monotonic()))


def test_a_program_that_keeps_dying_is_restarted_after_twice_the_time_each_time(
    tmp_path: Path, spawned: list[float]
) -> None:
    async def run() -> None:
        service = supervise(tmp_path, spawned, "sleep", "0.05")
        await service.start(timeout_seconds=30)
        # Wait until the last process has ended, too.
        while len(spawned) < 5 or service.status().state != ServiceState.WAITING:
            await asyncio.sleep(0.02)
        await service.stop()
        assert service.status().restarts == 4

    asyncio.run(run())
    gaps = [later - earlier for earlier, later in itertools.pairwise(spawned)]
    assert all(gap >= delay for gap, delay in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=True))
    assert sum(gaps) < len(gaps) * LONGEST_DELAY_SECONDS


def test_a_program_that_ignores_its_stop_signal_is_killed_in_bounded_time(
    tmp_path: Path, spawned: list[float]
) -> None:
    deaf = f"trap '' {signal.SIGTERM.value}; echo deaf; while :; do sleep 0.1; done"

    async def run() -> float:
        service = supervise(tmp_path, spawned, "sh", "-c", deaf)
        await service.start(timeout_seconds=30)
        while not (tmp_path / "sample.log").read_text():
            await asyncio.sleep(0.02)
        began = time.monotonic()
        await service.stop()
        assert service.status().state == ServiceState.STOPPED
        assert service.status().pid is None
        return time.monotonic() - began

    # The program's own stop timeout applies, not the default of services.
    assert 0.3 <= asyncio.run(run()) < Program.stop_timeout_seconds


def test_a_program_that_never_does_real_work_fails_its_start_with_the_reason(
    tmp_path: Path, spawned: list[float]
) -> None:
    async def run() -> None:
        service = supervise(tmp_path, spawned, "sleep", "100", prove=never_ready)
        try:
            await service.start(timeout_seconds=2)
        finally:
            await service.stop()

    with pytest.raises(ServiceFailed) as failure:
        asyncio.run(run())
    assert isinstance(failure.value.__cause__, NotReady)
    assert len(spawned) == 1
