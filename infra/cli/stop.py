"""The signals that ask a command to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Any


def stop_event(starting: asyncio.Task[Any] | None = None) -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM and SIGHUP set from now on; a task that is still starting is cancelled."""
    asked_to_stop = asyncio.Event()

    def stop_soon() -> None:
        asked_to_stop.set()
        if starting is not None:
            starting.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(signum, stop_soon)
    return asked_to_stop
