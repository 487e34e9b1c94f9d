"""`exchange logs`"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Annotated, TextIO

import typer

from infra.cli.failure import fail
from infra.cli.names import find_function, short_name
from infra.cli.target import DEFAULT, DataDir

POLL_SECONDS = 0.2


def logs(
    function: Annotated[str | None, typer.Argument(help="One function; all of them when left out.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each function.")
    ] = 50,
    request_id: Annotated[str, typer.Option(help="Only lines that carry this request id.")] = "",
    data_dir: DataDir = DEFAULT,
) -> None:
    """Show what the functions printed.

    Lambda's START, END and REPORT lines are among them. Works while the exchange runs and
    afterwards. With several functions every line begins with its function.

    Example: exchange logs normalize -f
    """
    found = sorted((data_dir / "logs").glob("*Function.log"))
    if not found:
        fail(f"there are no functions' logs in {data_dir / 'logs'}")
    if function is not None:
        logical_id = find_function(function, (path.stem for path in found))
        found = [path for path in found if path.stem == logical_id]
    sources = [_Source(path, request_id, with_name=len(found) > 1) for path in found]
    for source in sources:
        source.print_last(lines)
    try:
        while follow:
            for source in sources:
                source.print_new()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


class _Source:
    """One function's log file, read on from where the last look ended."""

    def __init__(self, path: Path, request_id: str, *, with_name: bool) -> None:
        self._file: TextIO = path.open(encoding="utf-8", errors="replace")
        self._request_id = request_id
        self._prefix = f"[{short_name(path.stem)}] " if with_name else ""

    def print_last(self, count: int) -> None:
        last = deque((line for line in self._file if self._request_id in line), maxlen=count)
        self._print(last)

    def print_new(self) -> None:
        self._print(deque(line for line in self._file if self._request_id in line))

    def _print(self, lines: deque[str]) -> None:
        for line in lines:
            print(self._prefix + line, end="" if line.endswith("\n") else "\n", flush=True)
