"""Options that the commands of recovery and erasure share."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.failure import fail

SHARDS = (1, 2, 4, 8, 16)

Source = Annotated[str, typer.Option(help="Of this source only.")]
Prefix = Annotated[str, typer.Option(help="Objects whose key begins so.")]
Shards = Annotated[int, typer.Option(help="How many invokes run side by side: 1, 2, 4, 8 or 16.")]
Job = Annotated[str, typer.Option(help="Go on with a job that failed or was interrupted.")]
Case = Annotated[
    str, typer.Option(help="On what ground: a ticket's number, such as TICKET-123, for the audit log.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def require_shards(shards: int) -> None:
    """End the command where a job cannot be cut into so many."""
    if shards not in SHARDS:
        fail("--shards is 1, 2, 4, 8 or 16")
