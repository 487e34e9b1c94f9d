"""The embedded services that the exchange stands on, and their state for the commands in other processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from infra.embedded import BrokerStorage, Stack, StackConfig
from infra.embedded.files import replace_file
from infra.system.addresses import Ports
from infra.system.layout import BUCKET, REGION, TOPICS

PERIOD_SECONDS = 1.0


def stack_config(
    data_dir: Path, ports: Ports, broker_storage: BrokerStorage, kafka_advertised_host: str = "127.0.0.1"
) -> StackConfig:
    """Return the configuration of Postgres, S3 and Kafka with their data in `data_dir`."""
    return StackConfig(
        data_dir=data_dir / "stack",
        log_dir=data_dir / "logs",
        database="exchange",
        owner="exchange_owner",
        buckets=(BUCKET,),
        topics=TOPICS,
        broker_storage=broker_storage,
        postgres_port=ports.postgres,
        s3_port=ports.s3,
        kafka_port=ports.kafka,
        kafka_advertised_host=kafka_advertised_host,
        region=REGION,
    )


async def keep_services_written(stack: Stack, data_dir: Path) -> None:
    """Look at every service once a second and write the states when one has changed, until cancelled."""
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
            replace_file(data_dir / "services.json", json.dumps(state, indent=2))
            written = state
        await asyncio.sleep(PERIOD_SECONDS)


def read_services(data_dir: Path) -> list[dict[str, Any]]:
    """Return the states that `keep_services_written` wrote last."""
    path = data_dir / "services.json"
    return list(json.loads(path.read_text())) if path.exists() else []
