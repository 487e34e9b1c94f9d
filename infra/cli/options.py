"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.failure import fail

SHARDS = (1, 2, 4, 8, 16)

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="EXCHANGE_DATA_DIR",
        file_okay=False,
        resolve_path=True,
        show_default=".local in the repository",
        help="Folder of the system's data, logs and addresses.",
    ),
]
BuildDir = Annotated[
    Path | None,
    typer.Option(
        resolve_path=True,
        help="Folder in which the functions' layers are built, once.",
        show_default=".local/build in the repository",
    ),
]
AnyPorts = Annotated[bool, typer.Option("--any-ports", help="Use free ports for everything.")]
BrokerStorage = Annotated[
    Literal["s3", "memory"],
    typer.Option(
        help='Where the Kafka broker keeps its log: "s3", or "memory", which is faster and lost at the end.'
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

Source = Annotated[str, typer.Option(help="Only records of this source.")]
Prefix = Annotated[str, typer.Option(help="Only objects whose key begins with this.")]
Shards = Annotated[int, typer.Option(help="How many invocations run side by side: 1, 2, 4, 8 or 16.")]
Job = Annotated[str, typer.Option(help="Continue a job that failed or was interrupted.")]
Case = Annotated[str, typer.Option(help="A ticket number, such as TICKET-123, that the audit log records.")]


def require_shards(shards: int) -> None:
    """End the command if a job cannot have this number of shards."""
    if shards not in SHARDS:
        fail("--shards is 1, 2, 4, 8 or 16")
