"""The embedded services' state, for the commands that run in other processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from infra.embedded import Stack

PERIOD_SECONDS = 1.0


async def keep_services_written(stack: Stack, data_dir: Path) -> None:
    """Write the state of every service when it changes; looked at once a second, until cancelled."""
    written = None
    while True:
        state = [
            {
                "name": service.name,
                "state": service.state.value,
                "port": service.port,
                "pid": service.pid,
                "restarts": service.restarts,
                "up_since": service.up_since and service.up_since.isoformat(timespec="seconds"),
            }
            for service in stack.status()
        ]
        if state != written:
            replacement = data_dir / "services.new"
            replacement.write_text(json.dumps(state, indent=2))
            replacement.replace(data_dir / "services.json")
            written = state
        await asyncio.sleep(PERIOD_SECONDS)


def read_services(data_dir: Path) -> list[dict[str, Any]]:
    """What `keep_services_written` wrote last."""
    path = data_dir / "services.json"
    return list(json.loads(path.read_text())) if path.exists() else []
