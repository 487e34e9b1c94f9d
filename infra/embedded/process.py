from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

from .errors import NotReady, ServiceFailed

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
# A service that was up this long is taken to be sound: its next restart is immediate again.
STEADY_SECONDS = 10.0
START_ATTEMPTS = 4
PROBE_EVERY_SECONDS = 0.05


class ServiceState(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"  # died, to be restarted after the back-off


@dataclass(frozen=True)
class ServiceStatus:
    name: str
    state: ServiceState
    port: int
    pid: int | None
    restarts: int
    up_since: datetime | None


@dataclass(frozen=True)
class Program:
    """The command and setting of a service: the same at each start, so a restart finds its port and data again."""

    name: str
    port: int
    argv: tuple[str, ...]
    # The command that changes to the identity the program runs as; empty for the supervisor's own.
    identity: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    directory: Path
    log: Path
    # A real operation against the service; raises NotReady until it succeeds. Any other exception is a defect.
    prove: Callable[[], Awaitable[None]]
    stop_signal: signal.Signals = signal.SIGTERM
    # The kernel sends it when the supervisor dies without stopping the service.
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_timeout_seconds: float = 10.0


class SupervisedProcess:
    """A program that is kept running until it is stopped."""

    def __init__(self, program: Program, on_spawn: Callable[[Program, int], None]) -> None:
        self.program = program
        self._on_spawn = on_spawn
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._state = ServiceState.STOPPED
        self._last_refusal: NotReady | None = None
        self._up_since: datetime | None = None
        self._restarts = 0

    async def start(self, timeout_seconds: float) -> None:
        """Start the program and return once it has done real work. Raises `ServiceFailed`; `stop` it all the same."""
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.program.name}")
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                {self._keeper, ready}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
        if self._keeper.done():
            await self._keeper
        if not self._ready.is_set():
            raise ServiceFailed(
                f"{self.program.name} was not ready after {timeout_seconds:.0f} s; see {self.program.log}"
            ) from self._last_refusal

    async def stop(self) -> None:
        """Stop the program, by force if it takes too long. Safe to call at any time and more than once."""
        self._stopping.set()
        if self._keeper is None:
            return
        self._signal(self.program.stop_signal)
        await asyncio.wait({self._keeper}, timeout=self.program.stop_timeout_seconds)
        self._signal(signal.SIGKILL)
        await asyncio.wait({self._keeper})

    def status(self) -> ServiceStatus:
        pid = self._process.pid if self._process and self._process.returncode is None else None
        return ServiceStatus(
            self.program.name, self._state, self.program.port, pid, self._restarts, self._up_since
        )

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        delay_seconds = FIRST_DELAY_SECONDS
        try:
            while not self._stopping.is_set():
                began = loop.time()
                exit_code = await self._run_once()
                if self._stopping.is_set():
                    return
                if not self._ready.is_set() and self._restarts + 1 >= START_ATTEMPTS:
                    raise ServiceFailed(
                        f"{self.program.name} ended with exit code {exit_code} while starting;"
                        f" see {self.program.log}"
                    )
                self._state, self._up_since = ServiceState.WAITING, None
                if loop.time() - began > STEADY_SECONDS:
                    delay_seconds = FIRST_DELAY_SECONDS
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay_seconds)
                    return
                delay_seconds = min(delay_seconds * 2, LONGEST_DELAY_SECONDS)
                self._restarts += 1
        finally:
            self._state, self._up_since = ServiceState.STOPPED, None

    async def _run_once(self) -> int:
        program = self.program
        self._state = ServiceState.STARTING
        with program.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *program.identity,
                *dying_with_parent(program.orphan_signal),
                *program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.directory,
                env=dict(program.env),
                start_new_session=True,
            )
        self._on_spawn(program, self._process.pid)
        if self._stopping.is_set():  # stop() came while the process was being made and found none to signal
            self._signal(signal.SIGKILL)
        ended = asyncio.create_task(self._process.wait())
        proof = asyncio.create_task(self._prove(), name=f"prove {program.name}")
        await asyncio.wait({ended, proof}, return_when=asyncio.FIRST_COMPLETED)
        if proof.done() and proof.exception() is not None:
            self._signal(signal.SIGKILL)
            await ended
            proof.result()
        exit_code = await ended
        proof.cancel()
        return exit_code

    async def _prove(self) -> None:
        while True:
            try:
                await self.program.prove()
            except NotReady as exc:
                self._last_refusal = exc
                await asyncio.sleep(PROBE_EVERY_SECONDS)
            else:
                break
        self._state, self._up_since = ServiceState.READY, datetime.now(UTC)
        self._ready.set()

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)


@cache
def dying_with_parent(signum: signal.Signals) -> tuple[str, ...]:
    """Return the prefix of a command that gets `signum` when its parent dies; empty if this machine has none.

    It stands directly before the program, since a change of user clears the setting (PR_SET_PDEATHSIG(2const)).
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", signum.name.removeprefix("SIG"))
    trial = subprocess.run([*prefix, "true"], check=False, capture_output=True)
    return prefix if trial.returncode == 0 else ()
