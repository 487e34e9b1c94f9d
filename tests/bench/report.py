"""Figures with their goals, printed as a table."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class Figure:
    """A measured value; `goal` is None for a value that only informs. `unit` is that of both."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False
    beside: str = ""

    @property
    def is_missed(self) -> bool:
        """True when the value misses its goal."""
        if self.goal is None:
            return False
        return self.value > self.goal if self.at_most else self.value < self.goal


def print_figures(title: str, figures: list[Figure]) -> None:
    """Print lines of at most 80 columns; the limit that a figure is compared with is printed below it."""
    console = Console(highlight=False, soft_wrap=True)
    width = max(len(figure.name) for figure in figures)
    console.print(f"\n[bold]{title}[/bold]\n\n{'figure':{width}}{'measured':>20}{'goal':>9}")
    console.print("─" * (width + 38))
    for figure in figures:
        digits = 0 if figure.value >= 100 else 2
        measured = f"{figure.value:,.{digits}f} {figure.unit}"
        goal = "" if figure.goal is None else f"{'≤' if figure.at_most else '≥'} {figure.goal:,g}"
        verdict = "" if figure.goal is None else ("[red]MISSING[/red]" if figure.is_missed else "met")
        console.print(f"{figure.name:{width}}{measured:>20}{goal:>9}  {verdict}".rstrip())
        if figure.beside:
            console.print(f"  [dim]{figure.beside}[/dim]")
