"""`exchange services` for SAM's containers, and queries of its Postgres."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import yaml

from infra.system.layout import ROOT
from tests.sam.sam_cli import Sam, stop

START_SECONDS = 120


@dataclass(frozen=True)
class Services:
    """Running services; `parameters` are the template's parameters for them."""

    parameters: dict[str, str] = field(repr=False)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        told = self.parameters
        with (
            closing(
                psycopg2.connect(
                    host=told["PostgresHost"],
                    port=told["PostgresPort"],
                    dbname=told["PostgresDatabase"],
                    user="exchange_owner",
                    password=told["PostgresPassword"],
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, values)
            return cursor.fetchall()


@contextmanager
def exchange(sam: Sam, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an `exchange` command while the block runs; it must not end before."""
    log = sam.folder / f"{arguments[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield process
            assert process.poll() is None, log.read_text()
        finally:
            stop(process)


@contextmanager
def serve(sam: Sam, lambda_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the services on free ports, with the broker in memory, below SAM's folder."""
    data = ["--data-dir", str(sam.folder / ".local"), "--broker-storage", "memory"]
    with exchange(sam, "services", *data, "--any-ports", "--lambda-port", str(lambda_port)) as process:
        yield process


def wait_ready(sam: Sam, process: subprocess.Popen[bytes]) -> Services:
    deadline = time.monotonic() + START_SECONDS
    # The file that it writes last.
    while not (sam.parameters_file.parent / "environment").exists():
        assert process.poll() is None, (sam.folder / "services.log").read_text()
        assert time.monotonic() < deadline, (sam.folder / "services.log").read_text()
        time.sleep(0.1)
    return Services(yaml.safe_load(sam.parameters_file.read_text()))


def settled(services: Services, record_ids: Sequence[str]) -> bool:
    """Tell whether each of these records is canonical or dead."""
    ((count,),) = services.rows(
        "SELECT count(*) FROM processing_stage_state WHERE state IN ('succeeded', 'dlq')"
        " AND record_id = ANY (%s::uuid[])",
        list(record_ids),
    )
    return bool(count == len(set(record_ids)))
