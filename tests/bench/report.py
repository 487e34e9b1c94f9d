"""Figures, their goals, and the table."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured value; `goal` is None for a value that only informs. Values and goals share `unit`."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False
    beside: str = ""

    @property
    def is_missed(self) -> bool:
        """True when there is a goal and the value is on the wrong side of it."""
        if self.goal is None:
            return False
        return self.value > self.goal if self.at_most else self.value < self.goal


def print_figures(title: str, figures: list[Figure]) -> None:
    """One table; plain when not a terminal."""
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    table.add_column("beside it")
    for figure in figures:
        goal = "" if figure.goal is None else f"{'≤' if figure.at_most else '≥'} {figure.goal:,g}"
        verdict = "" if figure.goal is None else ("MISSING" if figure.is_missed else "met")
        table.add_row(figure.name, f"{figure.value:,.2f} {figure.unit}", goal, verdict, figure.beside)
    Console(width=None).print(table)
