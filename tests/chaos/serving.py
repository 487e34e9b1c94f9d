"""`exchange up` with the experiment's own template parameters: `python -m tests.chaos.serving OPTIONS`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

import uvloop

from infra.system.addresses import Ports
from infra.system.lock import hold
from infra.system.system import System


@dataclass(frozen=True)
class Serving:
    """The options of the process: its data folder, its ports, the broker's storage, the template's parameters."""

    data_dir: str
    ports: dict[str, int]
    broker_storage: Literal["s3", "memory"]
    parameters: dict[str, str]

    def encode(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def decode(cls, text: str) -> Self:
        return cls(**json.loads(text))


async def serve(serving: Serving) -> None:
    """Run the system until SIGTERM."""
    system = System(
        Path(serving.data_dir),
        Ports(**serving.ports),
        broker_storage=serving.broker_storage,
        screen=False,
        parameters=serving.parameters,
    )
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    await system.start()
    try:
        await asked_to_stop.wait()
    finally:
        await system.stop()


if __name__ == "__main__":
    told = Serving.decode(sys.argv[1])
    with hold(Path(told.data_dir)):
        uvloop.run(serve(told))
