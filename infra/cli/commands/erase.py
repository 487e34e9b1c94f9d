"""`exchange erase`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import Progress

from infra.cli.clients.lambda_api import FunctionFailed, FunctionRefused, call, lambda_client
from infra.cli.failure import fail
from infra.cli.options import Case, DataDir
from infra.cli.running_system import running_system
from infra.cli.screen.tables import console, moment, table
from infra.system.layout import DEFAULT_DATA_DIR

FUNCTION = "EraseFunction"
PAGE = 50
# The maximum of one erasure: its receipt has to fit into an answer.
ERASURE_RECORDS = 5_000
# Calls in a row that leave no fewer records: one may have been short of time, but not this many.
IDLE_CALLS = 3


def erase(
    record_ids: Annotated[list[str] | None, typer.Argument(help="Records, by record_id.")] = None,
    *,
    partner: Annotated[
        str, typer.Option(help="Instead of record ids: a person's records at this partner.")
    ] = "",
    person: Annotated[
        str,
        typer.Option(
            help="JSON file with given_name, family_name, dob, ssn; - reads standard input. Without it, a prompt asks."
        ),
    ] = "",
    case: Case = "",
    receipt: Annotated[str, typer.Option(help="Finish an earlier erasure and print its receipt.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the records.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON, for programs: a receipt for every 5,000 records; the ids if no record is erased.",
        ),
    ] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Erase records for good: every version of the raw object, canonical rows, tokens and answers.

    It cannot be undone: a tombstone keeps the record away, and its Idempotency-Key is answered with 410. A person is
    found by token, so the name must be written as the partner wrote it, with the same ssn or none; records that never
    became canonical have no token. Identifiers are not arguments, because arguments stay in the shell's history. Prints
    a receipt; the exit code is 1 if a record is unknown or the erasure is not complete.

    Example: exchange erase --partner partnerA --person person.json --case TICKET-123
    """
    if (bool(record_ids) + bool(partner) + bool(receipt)) != 1:
        fail("say what: record ids, --partner or --receipt")
    if person and not partner:
        fail("--person goes with --partner")
    if case and receipt:
        fail(
            "--case does not go with --receipt: what is left of an erasure has the case that it was begun with"
        )
    if dry_run and receipt:
        fail("--dry-run does not go with --receipt, which goes on with an erasure")
    client = lambda_client(running_system(data_dir))
    ground = {"case": case} if case else {}
    unknown: list[str] = []
    incomplete: list[str] = []
    try:
        if receipt:
            erasures: Iterable[dict[str, Any]] = [call(client, FUNCTION, {"erasure_id": receipt})]
        else:
            chosen = list(record_ids or []) or _find(client, partner, _read_person(person), ground)
            if dry_run and record_ids:
                chosen, unknown = _look(client, chosen)
            if dry_run or not chosen:
                listed = json.dumps({"record_ids": chosen}, indent=2) if as_json else "\n".join(chosen)
                print(listed or "No record is found.")
            elif not yes:
                typer.confirm(f"Records to erase for good: {len(chosen):,}. Go on?", abort=True, err=True)
            erasures = () if dry_run else erase_in_parts(client, chosen, ground)
        for erasure in erasures:
            if as_json:
                print(json.dumps(erasure["receipt"], indent=2))
            else:
                _show(erasure)
            unknown += erasure["unknown"]
            incomplete += [] if erasure["receipt"]["complete"] else [erasure["erasure_id"]]
    except FunctionFailed as failed:
        fail(str(failed))
    if unknown:
        fail(f"unknown records: {', '.join(unknown)}")
    if incomplete:
        fail(f"not complete; go on with: exchange erase --receipt {' and '.join(incomplete)}")


def _find(client: Any, partner: str, person: dict[str, Any], ground: dict[str, str]) -> list[str]:
    asked = {"partner_id": partner, "person": person, "dry_run": True, **ground}
    found = call(client, FUNCTION, asked)
    # A canonical row whose manifest row is lost is the person's, too: the erasure says that it cannot erase it.
    return [*found["record_ids"], *found["unknown"]]


def _look(client: Any, record_ids: list[str]) -> tuple[list[str], list[str]]:
    """Return the records that would be erased, and the unknown ones."""
    found: list[str] = []
    unknown: list[str] = []
    for begin in range(0, len(record_ids), PAGE):
        page = call(client, FUNCTION, {"record_ids": record_ids[begin : begin + PAGE], "dry_run": True})
        found += page["record_ids"]
        unknown += page["unknown"]
    return found, unknown


def erase_in_parts(client: Any, record_ids: list[str], ground: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Erase in parts as large as the function accepts, one after the other, each with its receipt."""
    for begin in range(0, len(record_ids), ERASURE_RECORDS):
        yield _erase(client, record_ids[begin : begin + ERASURE_RECORDS], ground)


def _erase(client: Any, record_ids: list[str], ground: dict[str, str]) -> dict[str, Any]:
    """Erase page by page. If it ends early, also by Ctrl-C, it prints how to get the receipt of what is erased."""
    event = {"erasure_id": str(uuid4()), **ground}
    pages = [record_ids[begin : begin + PAGE] for begin in range(0, len(record_ids), PAGE)]
    already, unknown = set[str](), set[str]()
    done = 0
    screen = Console(stderr=True)
    try:
        with Progress(console=screen, disable=not screen.is_terminal) as progress:
            task = progress.add_task("erase", total=len(record_ids))
            for page in pages:
                for erasure in _erase_page(client, event, page):
                    already |= set(erasure["already_erased"])
                    unknown |= set(erasure["unknown"])
                done += len(page)
                progress.advance(task, len(page))
    except BaseException as ended:
        if done or not isinstance(ended, FunctionRefused):
            print(
                f"the receipt of what is erased: exchange erase --receipt {event['erasure_id']}",
                file=sys.stderr,
            )
        raise
    return erasure | {"already_erased": sorted(already), "unknown": sorted(unknown)}


def _erase_page(client: Any, event: dict[str, Any], page: list[str]) -> Iterator[dict[str, Any]]:
    """Erase a page and yield every answer; records that the function did not reach in its time are sent again."""
    left, idle_calls = len(page), 0
    while left:
        erasure = call(client, FUNCTION, event | {"record_ids": page})
        yield erasure
        idle_calls = 0 if erasure["remaining"] < left else idle_calls + 1
        left = min(left, erasure["remaining"])
        if idle_calls == IDLE_CALLS:
            fail(
                f"{FUNCTION} gets no further: {left:,} of {len(page):,} records are not reached; see its log,"
                " then erase them again, fewer at once"
            )


def _read_person(source: str) -> dict[str, Any]:
    """Read the person from a file, standard input or a prompt, never from an argument."""
    if not source:
        person = {name: typer.prompt(name, err=True) for name in ("given_name", "family_name", "dob")}
        ssn = typer.prompt("ssn (empty for none)", default="", hide_input=True, show_default=False, err=True)
        return person | ({"ssn": ssn} if ssn else {})
    try:
        read: Any = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text())
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}")
    except ValueError:
        # The parser's own message quotes the text.
        fail("--person is not JSON")
    if not isinstance(read, dict):
        fail("--person is not an object")
    return read


def _show(erasure: dict[str, Any]) -> None:
    receipt = erasure["receipt"]
    screen = console()
    if receipt["records"]:
        rows = [
            (
                record["record_id"],
                moment(record["erased_at"]),
                moment(record["raw_deleted_at"]),
                record["deleted_object_versions"],
                sum(record["deleted_rows"].values()),
            )
            for record in receipt["records"]
        ]
        screen.print(table(("RECORD", "erased", "raw object gone", "versions", "rows"), rows))
        screen.print(f"\nErasure {receipt['erasure_id']}, records: {receipt['totals']['records']:,}")
        screen.print(receipt["statement"])
        screen.print(f"sha256 {receipt['sha256']}")
    else:
        screen.print("No record is erased anew.")
    for record_id in erasure["already_erased"]:
        screen.print(f"erased before: {record_id}; its erasure is named by: exchange lineage {record_id}")
