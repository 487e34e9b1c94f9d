"""The log of functions and invocations, on the screen and in one file for each function.

A file that has grown to MAXIMUM_BYTES is renamed to NAME.log.1, replacing an earlier one, and a new file is begun.

Each line of a file holds time, request id (or -) and text, separated by tabs. A line that begins with four spaces
continues the line before.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

# The file of the runner's own lines, beside those of the functions.
RUNNER = "runner"
MAXIMUM_BYTES = 16 * 1024 * 1024
_FLUSH_AFTER_SECONDS = 0.05
_RED, _DIM, _RESET = "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Journal:
    """Writes lines in batches: a write for each line would cost more than a small invocation."""

    def __init__(self, folder: Path, screen: TextIO | None, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._screen = screen
        self._maximum_bytes = maximum_bytes
        self._colours = screen is not None and screen.isatty()
        self._files: dict[str, TextIO] = {}
        self._for_files: dict[str, list[str]] = {}
        self._for_screen: list[str] = []
        self._stamped_ms, self._stamp = 0, ""
        self._flush: asyncio.TimerHandle | None = None

    def begin(self, function_name: str) -> None:
        """Create the function's file: readers find a function by its file, even before it has printed."""
        if function_name not in self._files:
            path = self._path(function_name)
            self._files[function_name] = path.open("a", encoding="utf-8", errors="replace")

    def record(self, function_name: str, request_id: str, line: str, *, on_screen: bool = True) -> None:
        """Write a line of a function. Lines for machines only are not shown `on_screen`."""
        # awslambdaric joins the lines of a traceback by carriage returns, for CloudWatch.
        line = line.replace("\r", "\n    ")
        self._for_files.setdefault(function_name, []).append(f"{self._now()}\t{request_id or '-'}\t{line}")
        if on_screen and self._screen is not None:
            self._for_screen.append(self._decorate(function_name, request_id, line))
        self._flush_soon()

    def announce(self, line: str) -> None:
        """Write a line of the runner itself."""
        self._for_files.setdefault(RUNNER, []).append(f"{self._now()}\t-\t{line}")
        if self._screen is not None:
            self._for_screen.append(line)
        self._flush_soon()

    def flush(self) -> None:
        """Write everything out now."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        for function_name, lines in self._for_files.items():
            self.begin(function_name)
            file = self._files[function_name]
            file.write("\n".join(lines) + "\n")
            file.flush()
            if os.fstat(file.fileno()).st_size >= self._maximum_bytes:
                self._rotate(function_name)
        self._for_files.clear()
        if self._screen is not None and self._for_screen:
            self._screen.write("\n".join(self._for_screen) + "\n")
            self._screen.flush()
        self._for_screen.clear()

    def close(self) -> None:
        self.flush()
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _path(self, function_name: str) -> Path:
        return self._folder / f"{function_name}.log"

    def _rotate(self, function_name: str) -> None:
        path, file = self._path(function_name), self._files.pop(function_name)
        # Our file may have been removed, or rotated by another runner that writes here: then its new file stays.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.replace(f"{path}.1")
        file.close()
        self.begin(function_name)

    def _flush_soon(self) -> None:
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_AFTER_SECONDS, self.flush)

    def _now(self) -> str:
        # Many lines come in one millisecond, and formatting the time costs more than the rest of a line.
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._stamped_ms:
            self._stamped_ms = now_ms
            moment = datetime.fromtimestamp(now_ms / 1000, UTC)
            self._stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03}Z"
        return self._stamp

    def _decorate(self, function_name: str, request_id: str, line: str) -> str:
        prefix = f"[{function_name} {request_id}]" if request_id else f"[{function_name}]"
        if not self._colours:
            return f"{prefix} {line}"
        colour = _RED if "ERROR" in line else ""
        return f"{_DIM}{prefix}{_RESET} {colour}{line}{_RESET if colour else ''}"


class FunctionLog:
    """The log of one function.

    Every line goes to the journal. EMF also goes to `count`, and a line with nothing but EMF is not shown on the
    screen.
    """

    def __init__(self, journal: Journal, function_name: str, count: Callable[[str, str], bool]) -> None:
        self._journal = journal
        self._function_name = function_name
        self._count = count
        journal.begin(function_name)

    def record(self, request_id: str, line: str) -> None:
        is_metric = line.startswith("{") and '"_aws"' in line and self._count(self._function_name, line)
        is_for_people = not is_metric or '"message":' in line
        self._journal.record(self._function_name, request_id, line, on_screen=is_for_people)
