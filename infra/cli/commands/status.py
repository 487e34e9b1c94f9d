"""`exchange status`"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from infra.cli.admin import read_status
from infra.cli.names import short_name
from infra.cli.services import read_services
from infra.cli.target import DEFAULT, DataDir, running_system

PLAIN_WIDTH = 160


def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data_dir: DataDir = DEFAULT,
) -> None:
    """Show what runs and how it is doing.

    Functions, event sources, schedules and services. Durations are of each function's last 1,000 invocations; lag
    counts records that were fetched and are not done.

    Example: exchange status --json
    """
    addresses = running_system(data_dir)
    state = {"pid": addresses.pid, **read_status(addresses), "services": read_services(data_dir)}
    if as_json:
        print(json.dumps(state, indent=2))
        return
    on_terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if on_terminal else PLAIN_WIDTH)
    console.print(f"The exchange runs as process {addresses.pid}: {addresses.ingest}\n")
    for table in _tables(state, box.SIMPLE_HEAD if on_terminal else None):
        console.print(table)
        if not on_terminal:
            console.print()


def _tables(state: dict[str, Any], edges: box.Box | None) -> Iterable[Table]:
    yield _table(
        edges,
        ("FUNCTION", "environments", "busy", "waiting", "invocations", "errors", "p50 ms", "p95 ms"),
        (
            (
                short_name(name),
                f"{function['environments']}/{function['limit']}",
                function["environments"] - function["idle"],
                function["waiting"],
                function["invocations"],
                function["errors"],
                _milliseconds(function["p50_ms"]),
                _milliseconds(function["p95_ms"]),
            )
            for name, function in state["functions"].items()
        ),
    )
    yield _table(
        edges,
        ("EVENT SOURCE", "topic", "function", "connected", "processed", "retries", "lag"),
        (
            (
                name,
                " ".join(source["topics"]),
                short_name(source["function"]),
                "yes" if source["connected"] else "NO",
                source["processed"],
                source["retries"],
                source["lag"],
            )
            for name, source in state["event_sources"].items()
        ),
    )
    yield _table(
        edges,
        ("SCHEDULE", "expression", "function", "fired"),
        (
            (
                short_name(name.removeprefix(schedule["function"])),
                schedule["expression"],
                short_name(schedule["function"]),
                schedule["fired"],
            )
            for name, schedule in state["schedules"].items()
        ),
    )
    yield _table(
        edges,
        ("SERVICE", "state", "port", "pid", "restarts", "up since"),
        (
            tuple(service[name] for name in ("name", "state", "port", "pid", "restarts", "up_since"))
            for service in state["services"]
        ),
    )


def _table(edges: box.Box | None, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Table:
    table = Table(box=edges, padding=(0, 2, 0, 0))
    cells = [tuple("-" if value is None else str(value) for value in row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(
            row[index].replace(".", "").isdigit() or row[index] == "-" for row in cells
        )
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in cells:
        table.add_row(*row)
    return table


def _milliseconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"
