"""The demo's output while it works: bars on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_EVERY_SECONDS = 5.0
PLAIN_WIDTH = 110
WIDEST = 120


@dataclass
class Bar:
    """One count on its way to its total."""

    name: str
    total: int
    done: int = 0


class Bars:
    """Several counts side by side."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._bars: dict[str, Bar] = {}
        self._tasks: dict[str, TaskID] = {}
        self._next_line_at = time.monotonic() + LINE_EVERY_SECONDS

    def add(self, name: str, total: int) -> None:
        self._bars[name] = Bar(name, total)
        if self._progress is not None:
            self._tasks[name] = self._progress.add_task(name, total=total)

    def advance(self, name: str) -> None:
        self.set(name, self._bars[name].done + 1)

    def set(self, name: str, done: int) -> None:
        self._bars[name].done = done
        if self._progress is not None:
            self._progress.update(self._tasks[name], completed=done)
        elif time.monotonic() > self._next_line_at:
            self._next_line_at = time.monotonic() + LINE_EVERY_SECONDS
            counts = (f"{bar.name} {bar.done:,}/{bar.total:,}" for bar in self._bars.values())
            self._console.print("    " + "   ".join(counts))


class Screen:
    """The numbered phases of the demo, with their times."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(highlight=False)
        if not console.is_terminal:
            console = Console(file=console.file, highlight=False, width=PLAIN_WIDTH)
        elif console.width > WIDEST:
            console = Console(file=console.file, highlight=False, width=WIDEST)
        self.console = console
        self._phases = 0

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Print the title of a phase, and at its end how long it took."""
        self._phases += 1
        began = time.monotonic()
        self.console.print(f"\n[bold]{self._phases}  {title}[/bold]")
        yield
        self.console.print(f"   [dim]took {time.monotonic() - began:.1f} s[/dim]")

    @contextmanager
    def bars(self) -> Iterator[Bars]:
        if not self.console.is_terminal:
            yield Bars(self.console, None)
            return
        columns = (
            TextColumn("   {task.description:<10}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        # Drawing shares two cores with everything that is being watched.
        with Progress(*columns, console=self.console, refresh_per_second=4) as progress:
            yield Bars(self.console, progress)
