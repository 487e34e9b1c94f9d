from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from infra.embedded import MigrationFailed, dump_schema, run_migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    migration = "-- migrate:up\nCREATE TABLE notes (id bigint);\n-- migrate:down\nDROP TABLE notes;\n"
    (tmp_path / "30000101000000_notes.sql").write_text(migration)
    return tmp_path


def test_migrating_twice_applies_each_migration_once(database: Any, folder: Path) -> None:
    run_migrations(database.dsn(), folder)
    run_migrations(database.dsn(), folder)
    with closing(psycopg2.connect(database.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM schema_migrations WHERE version = '30000101000000'")
        assert cursor.fetchone() == (1,)


def test_the_same_schema_is_dumped_as_the_same_text(database: Any, folder: Path) -> None:
    before = dump_schema(database.dsn())
    assert dump_schema(database.dsn(), folder / "schema.sql") == before == (folder / "schema.sql").read_text()
    run_migrations(database.dsn(), folder)
    assert "CREATE TABLE public.notes" in dump_schema(database.dsn())


def test_a_broken_migration_fails_without_showing_the_password(database: Any, folder: Path) -> None:
    (folder / "30000102000000_broken.sql").write_text(
        "-- migrate:up\nCREATE TABLE notes (oops;\n-- migrate:down\n"
    )
    with pytest.raises(MigrationFailed) as failure:
        run_migrations(database.dsn(), folder)
    assert "syntax error" in str(failure.value)
    assert database.endpoint.password not in str(failure.value)
