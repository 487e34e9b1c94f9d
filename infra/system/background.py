"""A system in a process of its own: `exchange up --detach` leaves it running, the demo stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from infra.embedded.process import dying_with_parent
from infra.system.addresses import Addresses, OtherVersion
from infra.system.layout import ROOT

POLL_SECONDS = 0.05
LOG_NAME = "exchange.log"
# What is in flight, then each service, has its own time to end: all of it together is less.
STOP_TIMEOUT_SECONDS = 60.0


class StartFailed(Exception):
    """The background system ended, or was not ready in time; the message is its own last one."""


class BackgroundSystem:
    """`exchange up` with its output in DATA_DIR/logs/exchange.log; the functions' lines stay in logs of their own."""

    def __init__(self, data_dir: Path, options: Sequence[str], *, dies_with_us: bool) -> None:
        self.data_dir = data_dir
        self.log = data_dir / "logs" / LOG_NAME
        self.log.parent.mkdir(parents=True, exist_ok=True)
        up = [sys.executable, "-m", "infra.cli.main", "up", "--quiet"]
        command = [*up, "--data-dir", str(data_dir), *options]
        with self.log.open("ab") as log:
            self._start_of_log = log.tell()
            self._process = subprocess.Popen(
                # setpriv execs in place, so the pid is the system's own.
                [*(dying_with_parent(signal.SIGTERM) if dies_with_us else ()), *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def wait_ready(self, timeout_seconds: float) -> Addresses:
        """Wait until it takes requests. Raises StartFailed, after which nothing of it is left."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            # The system that starts will replace the addresses that another version has left.
            with suppress(OtherVersion):
                addresses = Addresses.load(self.data_dir)
                if addresses is not None and addresses.pid == self._process.pid:
                    return addresses
            if self._process.poll() is not None:
                raise StartFailed(self._last_words())
            if time.monotonic() > deadline:
                self.stop()
                raise StartFailed(f"not ready after {timeout_seconds:.0f} s; see {self.log}")
            time.sleep(POLL_SECONDS)

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> int:
        """Stop it in order, wait for its end and return its exit code.

        One that takes longer is killed, with everything that it started.
        """
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return self._kill()

    def _kill(self) -> int:
        started = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        for process in started:
            # psutil looks at the start time once more before it sends the signal.
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(started, timeout=STOP_TIMEOUT_SECONDS)
        return self._process.wait()

    def _last_words(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._start_of_log)
            words = log.read().decode("utf-8", "replace").strip()
        before, error, reason = words.rpartition("error: ")
        if error and (not before or before.endswith("\n")):
            return reason
        return "\n".join([f"it ended; see {self.log}", *words.splitlines()[-5:]])
