"""The table of an experiment, and the broken promises below it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.experiment import Outcome

SHOWN = 3


def show(console: Console, outcomes: Sequence[Outcome]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("fault", overflow="fold")
    for name in ("requests", "accepted", "tried again", "mended", "lost", "doubled", "recovery"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for outcome in outcomes:
        recovery = outcome.recovery_seconds
        table.add_row(
            outcome.fault,
            f"{outcome.requests:,}",
            f"{outcome.accepted:,}",
            f"{outcome.tried_again:,}",
            f"{outcome.mended:,}",
            f"{len(outcome.verdict.lost):,}",
            f"{len(outcome.verdict.doubled):,}",
            "never" if recovery is None else f"{recovery:.1f} s",
            "" if outcome.holds else "✗",
        )
    console.print(table)
    for outcome in outcomes:
        for line in describe(outcome):
            console.print(f"  {outcome.fault}: {line}", highlight=False)


def markdown_line(outcome: Outcome) -> str:
    """Return the outcome's line for docs/failure-tests.md."""
    recovery = "never" if outcome.recovery_seconds is None else f"{outcome.recovery_seconds:.1f} s"
    counts = (
        outcome.requests,
        outcome.accepted,
        outcome.tried_again,
        outcome.mended,
        len(outcome.verdict.lost),
        len(outcome.verdict.doubled),
    )
    return f"| {outcome.fault} | {' | '.join(f'{count:,}' for count in counts)} | {recovery} |\n"


def describe(outcome: Outcome) -> list[str]:
    """Return a line for each broken promise; record ids and keys do not identify people."""
    lines = [
        f"{len(found):,} {name}: {', '.join(found[:SHOWN])}{' …' if len(found) > SHOWN else ''}"
        for name, found in outcome.verdict.findings().items()
    ]
    if outcome.injected == 0:
        lines.append("it never happened: no traffic came to that step")
    if outcome.server_errors:
        lines.append(f"{outcome.server_errors:,} answers 500")
    return lines
