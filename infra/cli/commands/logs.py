"""`exchange logs`"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from infra.cli.failure import fail
from infra.cli.names import find_function, short_name
from infra.cli.options import DataDir
from infra.cli.screen.log_lines import Line, LogReader, coloured, plain
from infra.system.layout import DEFAULT_DATA_DIR

POLL_SECONDS = 0.2
# The runner's own log: reloads, event sources that reconnect.
RUNNER = "runner"


def logs(
    function: Annotated[
        str | None,
        typer.Argument(help="A function, or runner for the runner's own log; all of them if left out."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines as they come, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="The number of last lines of each function.")
    ] = 50,
    request: Annotated[
        str, typer.Option("--request", "--request-id", "-r", help="Only the lines of one request, by its id.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show the functions' logs.

    Lambda's START, END and REPORT lines are among them. It works while the exchange runs and afterwards. Lines are in
    the order of their time; with several functions each line begins with its function's name. The lines of a request
    are those printed while it ran, and all others that name it.

    Example: exchange logs normalize -f
    """
    found = sorted(
        path
        for path in (data_dir / "logs").glob("*.log")
        if path.stem.endswith("Function") or path.stem == RUNNER
    )
    if not found:
        fail(f"there are no functions' logs in {data_dir / 'logs'}")
    if function is not None:
        logical_id = RUNNER if function == RUNNER else find_function(function, (path.stem for path in found))
        found = [path for path in found if path.stem == logical_id]
    screen = _Screen([short_name(path.stem) for path in found])
    sources = [_Source(path, request) for path in found]
    screen.show(line for source in sources for line in source.last(lines))
    try:
        while follow:
            screen.show(line for source in sources for line in source.new())
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


class _Source:
    """One function's log, read in parts: the file that was full first, then the one after it."""

    def __init__(self, path: Path, request: str) -> None:
        self._path, self._full = path, path.with_name(f"{path.name}.1")
        self._file = _open(self._full if self._full.exists() else path)
        self._reader = LogReader(short_name(path.stem), self._file)
        self._request = request

    def last(self, count: int) -> Iterable[Line]:
        return deque(self.new(), maxlen=count)

    def new(self) -> Iterable[Line]:
        return (line for line in self._read() if line.is_of(self._request))

    def _read(self) -> Iterator[Line]:
        yield from self._reader.read()
        while (following := self._following()) is not None:
            # Nothing is written to the full file any more, but something may have been since it was read.
            yield from self._reader.read()
            self._file.close()
            self._file = _open(following)
            self._reader.go_on_with(self._file)
            yield from self._reader.read()

    def _following(self) -> Path | None:
        """Return the file after this one, or None while this is the one that is written to."""
        if self._is_at(self._path) or not self._path.exists():
            return None
        # It is neither if another file was full meanwhile.
        return self._path if self._is_at(self._full) or not self._full.exists() else self._full

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except FileNotFoundError:
            return False


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8", errors="replace")


class _Screen:
    """The output for the lines, oldest first: coloured on a terminal, plain elsewhere."""

    def __init__(self, functions: list[str]) -> None:
        self._colours = {function: number for number, function in enumerate(functions)}
        self._name_width = max(map(len, functions)) if len(functions) > 1 else 0
        self._console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else None

    def show(self, lines: Iterable[Line]) -> None:
        for line in sorted(lines, key=lambda line: line.time):
            if self._console is None:
                print(plain(line, bool(self._name_width)), flush=True)
            else:
                self._console.print(coloured(line, self._name_width, self._colours[line.function]))
