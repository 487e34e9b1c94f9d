"""The `exchange` command as a person runs it: a process of its own, judged by what it prints and leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 300


def run_exchange(*arguments: str | Path, asked: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end with `asked` on its standard input; its output as text."""
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
    """Start it and go on; its standard output is a pipe."""
    return subprocess.Popen(
        _command(arguments), cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
    )


def _command(arguments: Iterable[str | Path]) -> list[str]:
    return [sys.executable, "-m", "infra.cli.main", *map(str, arguments)]


def _environment() -> dict[str, str]:
    # In a log, not on a terminal, and on no data folder of the developer's.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EXCHANGE_")}
    return {**kept, "TERM": "dumb", "NO_COLOR": "1"}


def family_of(pid: int) -> list[psutil.Process]:
    """A process and everything it has started so far."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def still_alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that run yet, a moment given to the kernel."""
    _, alive = psutil.wait_procs(list(processes), timeout=10)
    return alive
