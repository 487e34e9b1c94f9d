"""The `exchange` command as a person runs it, in its own process; tests check its output and its effects."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 300


def run_exchange(*arguments: str | Path, asked: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with `asked` as standard input; return its output as text."""
    return subprocess.run(
        _command(arguments),
        cwd=ROOT,
        env=_environment(),
        input=asked,
        text=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command and return at once; its standard output is a pipe."""
    return subprocess.Popen(
        _command(arguments), cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    )


def interrupt_start(*arguments: str | Path) -> tuple[int, str, list[psutil.Process]]:
    """Interrupt a command once it has started a process; return its exit code, its output and the processes left."""
    with started(*arguments) as running:
        while len(family := family_of(running.pid)) < 2:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=60)
    return running.returncode, output, still_alive(family)


class Terminal:
    """A command that runs in a terminal of 80 columns."""

    def __init__(self, arguments: Iterable[str | Path]) -> None:
        self._mine, its = pty.openpty()
        termios.tcsetwinsize(its, (40, 80))
        environment = _environment() | {"TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            _command(arguments),
            cwd=ROOT,
            env=environment,
            stdin=its,
            stdout=its,
        )
        os.close(its)
        self.exit_code: int | None = None
        self._seen = ""

    def read_until(self, *wanted: str) -> None:
        """Read until one of these texts appears after the last one found."""
        deadline = time.monotonic() + 90
        while not (found := [self._seen.index(text) + len(text) for text in wanted if text in self._seen]):
            assert time.monotonic() < deadline, self._seen
            if select.select([self._mine], [], [], 0.2)[0]:
                self._seen += os.read(self._mine, 65536).decode("utf-8", "replace")
        self._seen = self._seen[min(found) :]

    def interrupt(self) -> None:
        """Interrupt the command, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        try:
            self.exit_code = self._process.wait(90)
        finally:
            self._process.kill()
            os.close(self._mine)


@contextmanager
def on_a_terminal(*arguments: str | Path) -> Iterator[Terminal]:
    """Start a command on a terminal; it has to end by itself."""
    terminal = Terminal(arguments)
    try:
        yield terminal
    finally:
        terminal.close()


def _command(arguments: Iterable[str | Path]) -> list[str]:
    return [sys.executable, "-m", "infra.cli.main", *map(str, arguments)]


def _environment() -> dict[str, str]:
    # As for output to a log instead of a terminal, and without the developer's own data folder.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    return {**kept, "TERM": "dumb", "NO_COLOR": "1"}


def family_of(pid: int) -> list[psutil.Process]:
    """Return a process and everything it has started so far."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def still_alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that still run after they had time to end."""
    _, alive = psutil.wait_procs(list(processes), timeout=60)
    return alive
