"""The system under test: the processes of `exchange up`, which are found, killed, frozen, and restarted."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import fields
from enum import Enum
from pathlib import Path

import psutil

from infra.embedded.ports import choose_ports
from infra.system.addresses import Addresses, Ports
from infra.system.layout import ROOT
from tests.chaos.serving import Serving

START_TIMEOUT_SECONDS = 240.0
POLL_SECONDS = 0.05


class Victim(Enum):
    """The processes that can be killed or frozen."""

    POSTGRES = "postgres"
    BROKER = "kafka"
    S3 = "s3"
    RUNNER = "the runner"
    ENVIRONMENT = "the environment whose step it is"
    BACKEND = "the Postgres backend that does the step"


class SystemUnderTest:
    """A system in its own processes, which is restarted whenever its runner dies, as a supervisor would do."""

    def __init__(self, data_dir: Path, *, in_memory: bool) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        names = [field.name for field in fields(Ports)]
        self.data_dir = data_dir
        self.ports = Ports(**choose_ports(dict.fromkeys(names, (0, None)), {}, lambda _name, _port: True))
        self._in_memory = in_memory
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.starts = 0

    @property
    def addresses(self) -> Addresses:
        """The addresses without the proxies."""
        addresses = Addresses.load(self.data_dir)
        assert addresses is not None, "the system was never started"
        return addresses

    @property
    def runner_pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, parameters: dict[str, str]) -> None:
        """Start the system; return when it accepts requests. It is kept running until `stop`."""
        self._parameters = parameters
        await self._start_once()
        self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await asyncio.to_thread(self._process.wait)

    def pids_of(self, victim: Victim, client_port: int = 0, service_port: int = 0) -> list[int]:
        """Return the victim's processes, first the one to kill; none if it is not running now.

        The ports are those of the disturbed connection: the client's own, and the one that the service sees.
        """
        match victim:
            case Victim.RUNNER:
                return [self.runner_pid]
            case Victim.ENVIRONMENT:
                return self._owners_of(client_port)
            case Victim.BACKEND:
                return self._backends_of(service_port)
            case _:
                return self._service_pids(victim.value)

    def environments_of(self, function_name: str) -> list[int]:
        """Return the living execution environments of a function."""
        found = []
        for process in psutil.Process(self.runner_pid).children():
            with suppress(psutil.Error):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == function_name:
                    found.append(process.pid)
        return found

    def _service_pids(self, name: str) -> list[int]:
        entries = json.loads((self.data_dir / "stack" / "processes.json").read_text())
        for entry in entries:
            if entry["name"] == name:
                with suppress(psutil.NoSuchProcess):
                    # Postgres has a process per connection, all of which have to be frozen.
                    children = psutil.Process(entry["pid"]).children(recursive=True)
                    return [entry["pid"], *(child.pid for child in children)]
        return []

    def _owners_of(self, client_port: int) -> list[int]:
        """Return the runner's processes that hold the client's end of a connection."""
        runner = psutil.Process(self.runner_pid)
        family = [runner.pid, *(child.pid for child in runner.children())]
        return [pid for pid in family if _holds(pid, local_port=client_port)]

    def _backends_of(self, service_port: int) -> list[int]:
        _, *backends = self._service_pids("postgres") or [0]
        return [pid for pid in backends if _holds(pid, remote_port=service_port)]

    async def _start_once(self) -> None:
        serving = Serving(
            str(self.data_dir),
            {name: getattr(self.ports, name) for name in ("ingest", "tokenize", "lambda_", "admin")}
            | {name: getattr(self.ports, name) for name in ("postgres", "s3", "kafka")},
            "memory" if self._in_memory else "s3",
            self._parameters,
        )
        log_path = self.data_dir / "serving.log"
        with log_path.open("ab") as log:
            # Must run in the main thread: the parent-death signal is sent when the thread that forked ends.
            self._process = subprocess.Popen(
                [*_dying_with_us(), sys.executable, "-m", "tests.chaos.serving", serving.encode()],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.starts += 1
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while (addresses := Addresses.load(self.data_dir)) is None or addresses.pid != self._process.pid:
            assert self._process.poll() is None, f"it ended while it started; see {log_path}"
            assert time.monotonic() < deadline, f"not ready in time; see {log_path}"
            await asyncio.sleep(POLL_SECONDS)

    async def _keep_running(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if self._process is not None and self._process.poll() is not None:
                await self._start_once()


def send_signal(pids: list[int], signum: signal.Signals) -> None:
    """Send a signal to the processes that still exist."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _dying_with_us() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "TERM", "--") if setpriv else ()


def _holds(pid: int, *, local_port: int = 0, remote_port: int = 0) -> bool:
    with suppress(psutil.Error):
        return any(
            connection.raddr
            and local_port in (0, connection.laddr.port)
            and remote_port in (0, connection.raddr.port)
            for connection in psutil.Process(pid).net_connections("tcp")
        )
    return False
