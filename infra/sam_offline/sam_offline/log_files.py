"""What functions print and what Lambda says about each invocation, on the screen and in a file a function.

A file that has grown to MAXIMUM_BYTES is kept as NAME.log.1, in the place of the one before, and a new one is begun.

A line of a file is time, request id (or -) and text, with a tab between; what begins with four spaces goes on with it.
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
    """Writes lines in batches: with small invocations a write a line would cost more than they do."""

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
        """The function's file is there from now on: readers find it by that, and follow who has not printed yet."""
        if function_name not in self._files:
            path = self._path(function_name)
            self._files[function_name] = path.open("a", encoding="utf-8", errors="replace")

    def record(self, function_name: str, request_id: str, line: str, *, on_screen: bool = True) -> None:
        """Write one line of a function; `on_screen` False for lines that are for machines."""
        # awslambdaric joins the lines of a traceback by carriage returns, for CloudWatch.
        line = line.replace("\r", "\n    ")
        self._for_files.setdefault(function_name, []).append(f"{self._now()}\t{request_id or '-'}\t{line}")
        if on_screen and self._screen is not None:
            self._for_screen.append(self._decorate(function_name, request_id, line))
        self._flush_soon()

    def announce(self, line: str) -> None:
        """Write one line of the runner itself."""
        self._for_files.setdefault(RUNNER, []).append(f"{self._now()}\t-\t{line}")
        if self._screen is not None:
            self._for_screen.append(line)
        self._flush_soon()

    def flush(self) -> None:
        """Write out everything at once."""
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
        # Ours may have been removed, or rotated by another runner that writes here: its new one is not old.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                path.replace(f"{path}.1")
        file.close()
        self.begin(function_name)

    def _flush_soon(self) -> None:
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(_FLUSH_AFTER_SECONDS, self.flush)

    def _now(self) -> str:
        # Many lines come in one millisecond, and the text of it costs more than the rest of a line.
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
    """One function's lines: EMF goes to `count`, everything goes to the journal; EMF alone is not for the screen."""

    def __init__(self, journal: Journal, function_name: str, count: Callable[[str, str], bool]) -> None:
        self._journal = journal
        self._function_name = function_name
        self._count = count
        journal.begin(function_name)

    def record(self, request_id: str, line: str) -> None:
        is_metric = line.startswith("{") and '"_aws"' in line and self._count(self._function_name, line)
        is_for_people = not is_metric or '"message":' in line
        self._journal.record(self._function_name, request_id, line, on_screen=is_for_people)
