"""`exchange pause` and `exchange resume`"""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.clients.admin import read_status, set_source_state
from infra.cli.failure import fail
from infra.cli.options import DataDir
from infra.cli.running_system import running_system
from infra.system.layout import DEFAULT_DATA_DIR

Source = Annotated[str, typer.Argument(help="Its name in `exchange status`.")]


def pause(source: Source, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop reading a Kafka source; records in flight are finished and committed first.

    Example: exchange pause NormalizeFromV2
    """
    _set(source, "pause", data_dir)
    print(f"Paused {source}.")


def resume(source: Source, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Resume a paused Kafka source from where it stopped.

    Example: exchange resume NormalizeFromV2
    """
    _set(source, "resume", data_dir)
    print(f"Resumed {source}.")


def _set(source: str, action: str, data_dir: DataDir) -> None:
    addresses = running_system(data_dir)
    known = read_status(addresses)["event_sources"]
    if source not in known:
        fail(f"There is no event source {source}, only {', '.join(sorted(known)) or 'none'}")
    set_source_state(addresses, source, action)
