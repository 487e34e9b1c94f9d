"""`exchange down`"""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.failure import fail
from infra.cli.options import DataDir
from infra.system.layout import DEFAULT_DATA_DIR
from infra.system.lock import find_holder


def down(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it has stopped.")] = 60.0,
) -> None:
    """Stop the exchange in order and wait until it has ended.

    Requests and records in flight get time to finish; the data stays. It is no error if nothing runs.

    Example: exchange down --data-dir /tmp/try
    """
    holder = find_holder(data_dir)
    if holder is None:
        print(f"Nothing runs on {data_dir}.")
        return
    print(f"Stopping {holder}…", flush=True)
    holder.terminate()
    if not holder.wait_gone(timeout):
        fail(f"{holder} is still there after {timeout:.0f} s; see {data_dir / 'logs'}")
    print("Stopped.")
