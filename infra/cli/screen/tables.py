"""Bars while shards run, and tables of what they did: with lines on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.cli.jobs.shards import ShardRun

# A row is a line where no terminal is.
PLAIN_WIDTH = 10_000
SENTENCE_WIDTH = 24


class Watch(Protocol):
    def __call__(self, run: ShardRun) -> None: ...


def console() -> Console:
    """For people; standard error has the bars, so that a table can be piped. What is too wide, the terminal wraps."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


@contextmanager
def bars(title: str, shards: Sequence[int], *, counted: str) -> Iterator[Watch]:
    """A bar a shard on a terminal, nothing elsewhere; `counted` names the number that stands beside it."""
    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield lambda run: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[counted]:>9,} {task.fields[name]}  {task.fields[waits]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, refresh_per_second=4) as progress:
        tasks = {
            shard: progress.add_task(
                f"{title}, shard {shard + 1} of {len(shards)}", total=1.0, counted=0, name=counted, waits=""
            )
            for shard in shards
        }

        def watch(run: ShardRun) -> None:
            waits = (
                "failed, tried again" if run.error else f"waits for {run.waits_for}" if run.waits_for else ""
            )
            progress.update(
                tasks[run.shard], completed=run.progress, counted=run.counts.get(counted, 0), waits=waits
            )

        yield watch


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Words to the left, numbers to the right. Sentences are folded; nothing that somebody copies is cut."""
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
    """A time of an answer, to the second: tables are wide enough."""
    return text and f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "-" if value is None else str(value)


def shard_table(runs: Sequence[ShardRun], names: Sequence[str]) -> Table:
    """A row a shard: how it ended, and the numbers of these names."""
    return table(
        ("shard", "ended", "invokes", "failures", "seconds", *names),
        (
            (
                run.shard,
                "done" if run.done else "FAILED",
                run.invokes,
                run.failures,
                f"{run.seconds:.1f}",
                *(run.counts.get(name, 0) for name in names),
            )
            for run in runs
        ),
    )
