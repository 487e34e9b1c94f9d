from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .config import StackConfig
from .errors import StackError
from .secret_store import SECRETS
from .stack import Stack


def main() -> int:
    """Run a stack until Ctrl-C or SIGTERM; print its addresses and the path of its secrets.

    The exit code is 1 if it cannot start.
    """
    try:
        asyncio.run(_serve(_read_arguments()))
    except StackError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


async def _serve(config: StackConfig) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    stack = Stack(config)
    starting = asyncio.create_task(stack.start())

    def stop_soon() -> None:
        asked_to_stop.set()
        starting.cancel()

    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop_soon)
    try:
        endpoints = await starting
    except asyncio.CancelledError:
        return
    try:
        # Without secrets: the screen may be a log.
        postgres = endpoints.postgres
        print(f"postgres  postgresql://{postgres.owner}@{postgres.host}:{postgres.port}/{postgres.database}")
        print(f"s3        {endpoints.s3.url}")
        print(f"kafka     {endpoints.kafka_brokers}")
        print(f"secrets   {config.data_dir / SECRETS}", flush=True)
        await asked_to_stop.wait()
    finally:
        await stack.stop()


def _read_arguments() -> StackConfig:
    parser = argparse.ArgumentParser(prog="python -m infra.embedded", description=main.__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--log-dir", type=Path, help="default: DATA_DIR/logs")
    parser.add_argument("--broker-storage", choices=("memory", "s3"), default="s3")
    parser.add_argument("--bucket", action="append", default=[], help="may be given several times")
    parser.add_argument("--topic", action="append", default=[], metavar="NAME:PARTITIONS")
    for service in ("postgres", "s3", "kafka"):
        parser.add_argument(f"--{service}-port", type=int, help="0 for any free port")
    given = parser.parse_args()
    topics = (topic.rpartition(":") for topic in given.topic)
    return StackConfig(
        data_dir=given.data_dir.resolve(),
        log_dir=(given.log_dir or given.data_dir / "logs").resolve(),
        broker_storage=given.broker_storage,
        buckets=tuple(given.bucket),
        topics={name: int(partitions) for name, _, partitions in topics},
        postgres_port=given.postgres_port,
        s3_port=given.s3_port,
        kafka_port=given.kafka_port,
    )


if __name__ == "__main__":
    sys.exit(main())
