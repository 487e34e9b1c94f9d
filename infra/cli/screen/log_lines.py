"""Lines of the functions' logs, and their form on a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from rich.text import Text

_HEAD = re.compile(r"(\S+Z)\t(\S+)\t(.*)", re.DOTALL)
_LAMBDAS_OWN = ("START RequestId", "END RequestId", "REPORT RequestId", "INIT_REPORT")
_FAILURE = re.compile(r"\[ERROR\]|Traceback|Task timed out|Status: (error|timeout)|not reloaded|not taken")
_COLOURS = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan")
_STYLES = {"ERROR": "red", "CRITICAL": "bold red", "WARNING": "yellow", "DEBUG": "dim"}
# Left out: the line's head says them already, or they are the same on every line of a function.
_SAID = frozenset(
    {
        "level",
        "message",
        "timestamp",
        "service",
        "location",
        "function_request_id",
        "request_id",
        "function_name",
        "function_arn",
    }
    | {"function_memory_size", "cold_start", "_aws"}
)


@dataclass(frozen=True)
class Line:
    """One line of a function's log; a continuation line has the time and request id of the line before."""

    function: str
    time: str
    request_id: str
    text: str

    def is_of(self, request: str) -> bool:
        """Tell whether it was printed during the request, or names it."""
        return request in (self.request_id, "") or request in self.text


class LogReader:
    """Reads the lines of a log file that are new since the last read."""

    def __init__(self, function: str, file: TextIO) -> None:
        self._function = function
        self._file = file
        self._time, self._request_id, self._unfinished = "", "-", ""

    def go_on_with(self, file: TextIO) -> None:
        """Read this file from now on: its lines follow those of the file before."""
        self._file = file

    def read(self) -> Iterator[Line]:
        """Yield the lines that have been written since."""
        while raw := self._file.readline():
            self._unfinished += raw
            if not raw.endswith("\n"):
                return
            text, self._unfinished = self._unfinished[:-1], ""
            match = _HEAD.match(text)
            if match is not None:
                self._time, self._request_id, text = match.groups()
            yield Line(self._function, self._time, self._request_id, text)


def plain(line: Line, with_name: bool) -> str:
    """Return the line as it is, for other programs."""
    return f"{f'[{line.function}] ' if with_name else ''}{line.time}\t{line.request_id}\t{line.text}"


def coloured(line: Line, name_width: int, colour: int) -> Text:
    """Return the line for people: time of day, function and message, with structured lines taken apart."""
    text = Text().append(line.time[11:23], "dim")
    if name_width:
        text.append(f" {line.function:{name_width}}", _COLOURS[colour % len(_COLOURS)])
    record = _structured(line.text)
    if record is None:
        is_failure = _FAILURE.search(line.text) is not None
        style = "red" if is_failure else "dim" if line.text.startswith(_LAMBDAS_OWN) else ""
        return text.append(" " + line.text.replace("\t", "  "), style)
    if "message" in record:
        level = str(record.get("level", ""))
        text.append(f" {level:8}{record['message']}", _STYLES.get(level, ""))
    else:
        text.append(" metrics", "dim")
    return text.append(" " + _pairs({key: value for key, value in record.items() if key not in _SAID}), "dim")


def _structured(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) and ("message" in record or "_aws" in record) else None


def _pairs(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={_shown(value)}" for key, value in values.items())


def _shown(value: object) -> object:
    """Return a metric's only number instead of a list of one."""
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    return round(only, 3) if isinstance(only, float) else only
