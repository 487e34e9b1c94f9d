"""Tables, with lines on a terminal and plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

# Without a terminal, a row is one line.
PLAIN_WIDTH = 10_000
SENTENCE_WIDTH = 24


def console() -> Console:
    """Return the console of standard output. The bars are on standard error, so that a table can be piped.

    The terminal wraps lines that are too wide for it.
    """
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table with words to the left and numbers to the right.

    Sentences are folded; ids, which people copy, are never cut.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    edges = box.SIMPLE_HEAD if sys.stdout.isatty() else None
    made = Table(box=edges, padding=(0, 2, 0, 0), show_header=any(columns))
    for index, column in enumerate(columns):
        values = [row[index] for row in cells]
        numeric = bool(cells) and all(value.replace(",", "").replace(".", "").isdigit() for value in values)
        widest = max(map(len, (column, *values)))
        made.add_column(
            column,
            justify="right" if numeric else "left",
            overflow="fold",
            min_width=min(widest, SENTENCE_WIDTH) if any(" " in value for value in values) else widest,
        )
    for row in cells:
        made.add_row(*row)
    return made


def moment(text: str | None) -> str | None:
    """Return a time of an answer in UTC, to the second, which keeps tables narrow."""
    return text and f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)
