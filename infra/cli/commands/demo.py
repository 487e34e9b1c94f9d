"""`exchange demo`"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from infra.cli.failure import fail
from infra.cli.options import BuildDir, DataDir
from infra.cli.running_system import running_system
from infra.system.addresses import Addresses
from infra.system.background import StartFailed
from infra.system.layout import DEFAULT_DATA_DIR

if TYPE_CHECKING:
    from infra.cli.demo.screen import Screen

# For each partner: the ingest function runs eight requests at a time, and two cores are busy long before that.
CONNECTIONS = 4


def demo(
    *,
    records: Annotated[
        int, typer.Option(min=1, max=5_000, help="The number of people that each hospital sends.")
    ] = 5_000,
    use_running: Annotated[
        bool,
        typer.Option(
            "--use-running", help="Send to the exchange that runs on --data-dir instead of starting one."
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the demo's own data folder for inspection.")
    ] = False,
    broker_storage: Annotated[
        Literal["memory", "s3"], typer.Option(help="Where the demo's own Kafka broker keeps its log.")
    ] = "memory",
    connections: Annotated[
        int, typer.Option(min=1, help="The number of connections of each hospital.")
    ] = CONNECTIONS,
    build_dir: BuildDir = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let two hospitals send records, then check that the books balance.

    The records are the 5,000 people of FEBRL 4: hospital A has them right, hospital B with typing errors. Both send at
    the same time, A to /v1/ingest and B to /v2/ingest. The demo waits until every accepted record is canonical, counts
    at both ends, links people by token, then repeats requests and sends bad ones. The exit code is 0 only if every
    check holds.

    Example: exchange demo --records 200
    """
    from infra.cli.demo.own_system import own_system  # only the demo needs it
    from infra.cli.demo.screen import Screen

    # As Ctrl-C: the demo's own system is stopped and its folder removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    screen = Screen()
    began = time.monotonic()
    screen.console.print(
        f"[bold]Health-data exchange: FEBRL 4, two hospitals, {2 * records:,} records[/bold]"
    )
    with ExitStack() as stack:
        if use_running:
            addresses = running_system(data_dir)
        else:
            with screen.phase("Postgres, S3, Kafka and the functions start"):
                own = own_system(data_dir, broker_storage=broker_storage, keep=keep, build_dir=build_dir)
                try:
                    addresses, folder = stack.enter_context(own)
                except StartFailed as failed:
                    fail(str(failed))
            if keep:
                stack.callback(print, f"Kept: {folder}")
        held = _run(addresses, records, connections, screen, began)
    raise typer.Exit(0 if held else 1)


def _run(addresses: Addresses, records: int, connections: int, screen: Screen, began: float) -> bool:
    from infra.cli.demo.report import show_verdict
    from infra.cli.demo.scenario import run_scenario

    checks = asyncio.run(run_scenario(addresses, records, connections, screen))
    show_verdict(screen.console, checks, time.monotonic() - began)
    return all(check.holds for check in checks)
