"""The demo's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.demo.bad_requests import BadRequest
from infra.cli.demo.books import Books, Check
from infra.cli.demo.client import Answer
from infra.cli.demo.linkage import Linkage


@dataclass(frozen=True)
class Speed:
    """The rates of sending alone and from the first request to the last canonical row."""

    answers: int
    sending_seconds: float
    canonical: int
    whole_seconds: float
    latencies_seconds: Sequence[float]
    retries: int

    def latency_ms(self, share: float) -> float | None:
        """Return a percentile of the time from the 202 to the canonical row."""
        ordered = sorted(self.latencies_seconds)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None


def show_books(console: Console, books: Books) -> None:
    table = _table("Books", "records")
    table.add_row("sent", f"{books.sent:,}")
    table.add_row("refused", f"{books.refused_total:,}")
    for reason, count in sorted(books.refused.items(), key=lambda item: -item[1]):
        table.add_row(Text(f"  {reason}", style="dim"), Text(f"{count:,}", style="dim"))
    table.add_row("accepted", f"{books.accepted:,}")
    table.add_row("published (outbox to Kafka)", f"{books.stages.published:,}")
    table.add_row("canonical", f"{books.stages.canonical:,}")
    table.add_row("dead letters", f"{books.stages.dead_letters:,}")
    style = "bold red" if books.unaccounted else "bold green"
    table.add_row(Text("unaccounted", style=style), Text(f"{books.unaccounted:,}", style=style))
    console.print(table)


def show_speed(console: Console, speed: Speed) -> None:
    table = _table("Speed", "")
    table.add_row("requests answered a second, while sending", _rate(speed.answers, speed.sending_seconds))
    table.add_row("records made canonical a second, over all", _rate(speed.canonical, speed.whole_seconds))
    table.add_row("202 to canonical, p50", _milliseconds(speed.latency_ms(0.50)))
    table.add_row("202 to canonical, p95", _milliseconds(speed.latency_ms(0.95)))
    table.add_row("requests that the clients had to try again", f"{speed.retries:,}")
    console.print(table)


def show_linkage(console: Console, linkage: Linkage) -> None:
    table = _table("People linked across the two hospitals, by token", "")
    table.add_row("true pairs", f"{linkage.true_pairs:,}")
    table.add_row("  of which both records were accepted", f"{linkage.accepted_pairs:,}")
    table.add_row("linked", f"{linkage.linked:,}")
    table.add_row("recall over all true pairs", f"{linkage.recall:.1%}")
    table.add_row("recall over pairs that both sides accepted", f"{linkage.recall_of_accepted:.1%}")
    table.add_row("precision", f"{linkage.precision:.2%}")
    console.print(table)
    console.print(
        "  Token profile v1 links exact matches only: name, birth date and SSN the same.\n"
        "  Hospital B's records carry typing errors; profiles that forgive come later.",
        style="dim",
    )


def show_bad_requests(
    console: Console, bad_requests: Iterable[BadRequest], answers: Iterable[Answer]
) -> None:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("bad request", no_wrap=True)
    table.add_column("status", justify="right")
    table.add_column("answer", overflow="fold")
    for bad, answer in zip(bad_requests, answers, strict=True):
        style = "" if answer.status == bad.status else "bold red"
        table.add_row(bad.kind, Text(str(answer.status), style=style), Text(answer.message))
    console.print(table)


def show_verdict(console: Console, checks: Sequence[Check], seconds: float) -> None:
    """Print every check, then one line with the verdict."""
    console.print()
    for check in checks:
        mark, style = ("ok  ", "green") if check.holds else ("FAIL", "bold red")
        found = "" if check.holds or not check.found else f" ({check.found})"
        console.print(Text.assemble("  ", (mark, style), f" {check.claim}{found}"))
    failed = sum(not check.holds for check in checks)
    if failed:
        console.print(
            f"\n[bold red]FAILED: {failed} of {len(checks)} checks, after {seconds:.0f} s[/bold red]\n"
        )
    else:
        console.print(
            f"\n[bold green]The books balance: {len(checks)} checks held, in {seconds:.0f} s[/bold green]\n"
        )


def _table(title: str, figure: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(title, width=64)
    table.add_column(figure, justify="right", width=10)
    return table


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}" if count and seconds > 0 else "-"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
