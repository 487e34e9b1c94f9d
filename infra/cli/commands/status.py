"""`exchange status`"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from infra.cli.clients.admin import AdminUnreachable, look_at_status
from infra.cli.failure import fail
from infra.cli.options import AsJson, DataDir
from infra.cli.running_system import find_addresses, running_system
from infra.cli.screen.status import State, view
from infra.system.addresses import Addresses
from infra.system.layout import DEFAULT_DATA_DIR
from infra.system.lock import find_holder
from infra.system.services import read_services

PERIOD_SECONDS = 1.0
PLAIN_WIDTH = 160


def status(
    *,
    as_json: AsJson = False,
    once: Annotated[bool, typer.Option("--once", help="Print it once, also on a terminal.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Show the state of functions, event sources, schedules and services.

    What needs attention comes first. On a terminal the view is updated every second until Ctrl-C. Durations are of each
    function's last 1,000 invocations; backlog counts records that were fetched and are not done.

    Example: exchange status --json
    """
    try:
        state = _look(running_system(data_dir), data_dir)
    except AdminUnreachable as error:
        fail(str(error))
    if as_json:
        print(json.dumps(state, indent=2))
    elif sys.stdout.isatty() and not once:
        _show_live(state, data_dir)
    else:
        on_terminal = sys.stdout.isatty()
        console = Console(highlight=False, width=None if on_terminal else PLAIN_WIDTH)
        console.print(view(state, edges=on_terminal))


def _look(addresses: Addresses, data_dir: Path) -> State:
    holder = find_holder(data_dir)
    started_at = holder.started_at if holder else datetime.now(UTC)
    seen: dict[str, Any] = {
        "pid": addresses.pid,
        "ingest": addresses.ingest,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "started_at": started_at.isoformat(timespec="seconds"),
    }
    return {**seen, **look_at_status(addresses), "services": read_services(data_dir)}


def _show_live(state: State, data_dir: Path) -> None:
    """Update the view every second until Ctrl-C, which leaves the last one on the screen."""
    console = Console(highlight=False)
    shown = view(state)
    try:
        with Live(shown, console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(PERIOD_SECONDS)
                addresses = find_addresses(data_dir)
                try:
                    if find_holder(data_dir) is None or addresses is None:
                        break
                    before, state = state, _look(addresses, data_dir)
                    shown = view(state, before)
                    live.update(shown, refresh=True)
                except AdminUnreachable as error:
                    live.update(Text(f"{error}; looking again every second", "red"), refresh=True)
    except KeyboardInterrupt:
        console.print(shown)
        return
    console.print(shown)
    fail(f"nothing runs on {data_dir} any more")
