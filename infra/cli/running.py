"""Which running system a command speaks to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.failure import fail
from infra.system.addresses import DEFAULT_DATA_DIR, Addresses, OtherVersion
from infra.system.lock import find_holder

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="EXCHANGE_DATA_DIR",
        file_okay=False,
        resolve_path=True,
        show_default=".local in the repository",
        help="Where the system keeps its data, logs and addresses.",
    ),
]
BuildDir = Annotated[
    Path | None,
    typer.Option(
        resolve_path=True,
        help="Where layers are built, once.",
        show_default=".local/build in the repository",
    ),
]
DEFAULT = DEFAULT_DATA_DIR


def find_addresses(data_dir: Path) -> Addresses | None:
    """As Addresses.load; those of another version end the command."""
    try:
        return Addresses.load(data_dir)
    except OtherVersion as other:
        fail(str(other))


def running_system(data_dir: Path) -> Addresses:
    """The addresses of the system that runs on `data_dir`; ends the command when none does or it still starts."""
    holder = find_holder(data_dir)
    if holder is None:
        fail(f"nothing runs on {data_dir}; start it with: exchange up --detach")
    addresses = find_addresses(data_dir)
    if addresses is None or addresses.pid != holder.pid:
        fail(
            f"the system on {data_dir} has no functions ({holder}):"
            " it is still starting, or exchange services, which has none"
        )
    return addresses
