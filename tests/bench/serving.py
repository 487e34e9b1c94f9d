"""The system under measurement, in its own process, since the load generator must not share its event loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import uvloop

from infra.system.addresses import Addresses, Ports
from infra.system.layout import ROOT
from infra.system.system import System

BUILD_DIR = ROOT / ".local" / "build"
START_TIMEOUT_SECONDS = 180


@contextmanager
def serve(*, sources: bool) -> Iterator[Addresses]:
    """Run a new exchange on free ports with the broker in memory; without `sources` functions run only when called."""
    with tempfile.TemporaryDirectory(prefix="exchange-bench-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.serving", folder, json.dumps(sources)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield _wait_for_addresses(Path(folder), process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _wait_for_addresses(folder: Path, process: subprocess.Popen[bytes]) -> Addresses:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        addresses = Addresses.load(folder)
        if addresses is not None:
            return addresses
        if process.poll() is not None:
            raise RuntimeError(f"the exchange ended with exit code {process.returncode}")
        time.sleep(0.1)
    raise TimeoutError("the exchange did not start")


async def _serve(folder: Path, sources: bool) -> None:
    system = System(
        folder, Ports.any(), broker_storage="memory", build_dir=BUILD_DIR, screen=False, sources=sources
    )
    await system.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await system.stop()


def query(addresses: Addresses, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement as the owner; return its rows."""
    with closing(psycopg2.connect(addresses.postgres_dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def function_environment(addresses: Addresses, role: str) -> dict[str, str]:
    """Return a function's environment variables, for bare loops that use its modules in their own process."""
    return {
        "ENV": "local",
        "POSTGRES_DSN": addresses.postgres_dsn.replace("exchange_owner", role),
        "RAW_BUCKET": "exchange-raw",
        "AWS_ENDPOINT_URL_S3": addresses.s3,
        "AWS_ACCESS_KEY_ID": addresses.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": addresses.s3_secret_key,
        "AWS_REGION": "us-east-1",
        "KAFKA_BROKERS": addresses.kafka_brokers,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'layers' / 'exchange'}:{ROOT}",
    }


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), json.loads(sys.argv[2])))
