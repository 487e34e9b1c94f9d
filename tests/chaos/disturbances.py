"""The disturbances of the system, at a step of its work or at any time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.injection import Connection, Injector
from tests.chaos.steps import Passage
from tests.chaos.system import SystemUnderTest, Victim, send_signal


@dataclass(frozen=True)
class Kill:
    """Kills a process by SIGKILL. The passage ends: its client is dead, or gets no answer from the service."""

    victim: Victim

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        _strike(injector.system, self.victim, connection)
        connection.reset()
        return False

    async def strike(self, injector: Injector) -> None:
        """Kill the process at any time."""
        send_signal(injector.system.pids_of(self.victim)[:1], signal.SIGKILL)
        injector.note()


@dataclass(frozen=True)
class KillFunction:
    """Kills every environment of a function by SIGKILL."""

    function_name: str

    async def strike(self, injector: Injector) -> None:
        send_signal(injector.system.environments_of(self.function_name), signal.SIGKILL)
        injector.note()


@dataclass(frozen=True)
class Freeze:
    """Stops a process by SIGSTOP and continues it after a while. The passage goes on as far as it can, and waits."""

    victim: Victim
    seconds: float

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        pids = injector.system.pids_of(self.victim, connection.client_port, connection.service_port)
        send_signal(pids, signal.SIGSTOP)
        injector.later(self._thaw(injector, pids))
        return True

    async def strike(self, injector: Injector) -> None:
        pids = injector.system.pids_of(self.victim)
        send_signal(pids, signal.SIGSTOP)
        await self._thaw(injector, pids)

    async def _thaw(self, injector: Injector, pids: list[int]) -> None:
        try:
            await asyncio.sleep(self.seconds)
        finally:
            send_signal(pids, signal.SIGCONT)
        injector.note()


@dataclass(frozen=True)
class Reset:
    """Resets the connection on both sides; the client cannot tell whether the service did the work."""

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        connection.reset()
        return False


@dataclass(frozen=True)
class Delay:
    """Delays the passage, and everything behind it on its connection."""

    seconds: float

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        await asyncio.sleep(self.seconds)
        return True


@dataclass(frozen=True)
class AnswerInstead:
    """Answers instead of the service, which never gets the request; with `last`, closes the connection afterwards."""

    compose: Callable[[bytes], bytes]
    last: bool

    async def meet(self, injector: Injector, connection: Connection, passage: Passage) -> bool:
        connection.answer(self.compose(passage.data), last=self.last)
        return False


def _strike(system: SystemUnderTest, victim: Victim, connection: Connection) -> None:
    pids = system.pids_of(victim, connection.client_port, connection.service_port)
    send_signal(pids[:1], signal.SIGKILL)
