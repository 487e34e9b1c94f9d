"""`exchange trigger`"""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.clients.admin import read_status, trigger_schedule
from infra.cli.names import find_schedule
from infra.cli.options import DataDir
from infra.cli.running_system import running_system
from infra.system.layout import DEFAULT_DATA_DIR


def trigger(
    schedule: Annotated[
        str, typer.Argument(help="The name of the schedule, of its event or of its function.")
    ],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Fire a schedule now, without waiting for its time.

    The function gets the schedule's input from the template, as it would from EventBridge.

    Example: exchange trigger publish-outbox
    """
    addresses = running_system(data_dir)
    schedules = read_status(addresses)["schedules"]
    name = find_schedule(schedule, {name: state["function"] for name, state in schedules.items()})
    trigger_schedule(addresses, name)
    print(f"Triggered {name}.")
