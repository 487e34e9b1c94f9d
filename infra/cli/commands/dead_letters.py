"""`exchange dead-letters`"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from infra.cli.clients.lambda_api import FunctionFailed, call, lambda_client
from infra.cli.failure import fail
from infra.cli.options import AsJson, Case, DataDir
from infra.cli.running_system import running_system
from infra.cli.screen.tables import console, moment, table
from infra.system.layout import DEFAULT_DATA_DIR

PAGE = 500
IDLE_PAGES = 3
Reason = Annotated[str, typer.Option(help="Only one class, by its REASON in the list.")]

dead_letters = typer.Typer(
    no_args_is_help=True, help="List, show and redrive records that could not be made canonical."
)


@dead_letters.command("list")
def list_dead_letters(
    *,
    letters: Annotated[
        bool, typer.Option("--letters", help="List single letters instead of reasons.")
    ] = False,
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="The maximum number of letters.")] = 50,
    after: Annotated[int, typer.Option(min=0, help="Only letters after this number.")] = 0,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """List waiting dead letters by reason, the largest class first; with --letters or --reason one by one.

    Example: exchange dead-letters list --reason 1f3a09bc
    """
    if letters or reason:
        asked: dict[str, Any] = {"action": "list", "by": "letter", "limit": limit, "after": after}
        found = _ask(data_dir, asked | ({"reason": reason} if reason else {}))["dead_letters"]
        columns: tuple[str, ...] = (
            *("dead_letter_id", "reason", "state", "record_id", "partner_id", "record_kind", "stage"),
            *("attempts", "redrives", "refusal", "failed_at", "error_message"),
        )
    else:
        found = _ask(data_dir, {"action": "list"})["reasons"]
        columns = (
            "reason",
            "dead_letters",
            "redriven",
            "refused",
            "most_redrives",
            "stage",
            "last_failed_at",
            "error_message",
        )
    if as_json:
        print(json.dumps(found, indent=2))
    elif found:
        columns = tuple(column for column in columns if any(row[column] for row in found))
        heads = [column.removesuffix("_id").replace("_", " ") for column in columns]
        console().print(table(heads, [[_shown(column, row[column]) for column in columns] for row in found]))
    else:
        print("No dead letter waits.")


@dead_letters.command("show")
def show_dead_letter(
    dead_letter_id: Annotated[int, typer.Argument(help="The letter's number in the list.")],
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show one letter: what failed, where and how often, but never whose record it is.

    Example: exchange dead-letters show 17
    """
    letter = _ask(data_dir, {"action": "show", "dead_letter_id": dead_letter_id})
    if as_json:
        print(json.dumps(letter, indent=2))
        return
    letter["has_event"] = "yes" if letter["has_event"] else "no"
    console().print(
        table(("", ""), [(name.replace("_", " "), _shown(name, value)) for name, value in letter.items()])
    )
    print(f"\nIts record's way: exchange lineage {letter['record_id']}" if letter["record_id"] else "")


@dead_letters.command("redrive")
def redrive_dead_letters(
    dead_letter_ids: Annotated[
        list[int] | None, typer.Argument(help="Letters by their numbers in the list.")
    ] = None,
    *,
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="All waiting letters.")] = False,
    case: Case = "",
    rate_per_sec: Annotated[float, typer.Option(min=0.1, help="The maximum of events a second.")] = 100,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count, and check which of the first 500 would be refused.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send events again once the cause of their failure is mended: some letters, a class or all.

    The same bytes are sent, rebuilt from the raw object if they are gone. Each record gets five new attempts, and the
    audit log records it. A record that fails again is a dead letter again, until it is redriven once more. A letter
    that cannot be sent is refused with a reason, in the answer, on the letter and in the audit log; the exit code is 1
    then.

    Example: exchange dead-letters redrive --reason 1f3a09bc --rate-per-sec 20
    """
    chosen: dict[str, Any] = {
        **({"dead_letter_ids": dead_letter_ids} if dead_letter_ids else {}),
        **({"reason": reason} if reason else {}),
        **({"all": True} if everything else {}),
    }
    if len(chosen) != 1:
        fail("say which: numbers, --reason or --all")
    asked = {"action": "redrive", **chosen, **({"case": case} if case else {})}
    # A dry run checks a page, raw objects included; a redrive needs only the count and the time from it.
    report = _ask(data_dir, asked | {"dry_run": True} | ({} if dry_run else {"limit": 1}))
    if not dry_run:
        report = redrive_in_pages(partial(_ask, data_dir), asked, report, rate_per_sec)
    if as_json:
        print(json.dumps(report, indent=2))
    elif not any(report[said] for said in ("redriven", "refused", "remaining")):
        print("No such dead letter waits.")
    elif dry_run:
        print(f"{report['remaining'] - len(report['refused']):,} would be sent again.")
    else:
        print(f"{len(report['redriven']):,} sent again, {report['remaining']:,} in somebody's hands.")
    if report["refused"] and not as_json:
        _show_refused(report["refused"], "would be refused" if dry_run else "refused")
    raise typer.Exit(1 if report["refused"] else 0)


def _shown(column: str, value: Any) -> Any:
    if column.endswith("_at"):
        return moment(value)
    # People type these numbers again, so they have no commas.
    return str(value) if column in ("dead_letter_id", "offset") and value is not None else value


def _show_refused(refused: list[dict[str, Any]], verb: str) -> None:
    """Print the refused letters, then each reason once with what to do about it."""
    print(f"{len(refused):,} {verb}:")
    columns = ("dead_letter_id", "record_id", "refusal")
    heads = ("dead letter", "record", "refusal")
    console().print(
        table(heads, [[_shown(column, letter[column]) for column in columns] for letter in refused])
    )
    for refusal, advice in {letter["refusal"]: letter["advice"] for letter in refused}.items():
        print(f"{refusal}: {advice}")


def redrive_in_pages(
    ask: Callable[[dict[str, Any]], dict[str, Any]],
    asked: dict[str, Any],
    found: dict[str, Any],
    rate_per_sec: float,
) -> dict[str, Any]:
    """Redrive page by page at the rate, until nothing is left or several pages in a row move nothing.

    If interrupted, it prints how far it got. At a letter a second a page is a letter, so another redrive may hold a
    page as a whole.
    """
    limit = max(1, min(PAGE, int(rate_per_sec)))
    redriven: list[int] = []
    refused: list[dict[str, Any]] = []
    idle_pages = 0
    try:
        with Progress(console=Console(stderr=True), disable=not Console(stderr=True).is_terminal) as progress:
            task = progress.add_task("redrive", total=found["remaining"])
            while True:
                began = time.monotonic()
                page = ask(asked | {"as_of": found["as_of"], "limit": limit})
                redriven += page["redriven"]
                refused += page["refused"]
                progress.update(task, completed=len(redriven) + len(refused))
                idle_pages = 0 if page["redriven"] or page["refused"] else idle_pages + 1
                if idle_pages == IDLE_PAGES or not page["remaining"]:
                    return {"redriven": redriven, "refused": refused, "remaining": page["remaining"]}
                seconds = (len(page["redriven"]) or idle_pages) / rate_per_sec
                time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    except BaseException:
        print(f"{len(redriven):,} of {found['remaining']:,} sent again", file=sys.stderr)
        raise


def _ask(data_dir: Any, event: dict[str, Any]) -> dict[str, Any]:
    try:
        return call(lambda_client(running_system(data_dir)), "RedriveFunction", event)
    except FunctionFailed as failed:
        fail(str(failed))
