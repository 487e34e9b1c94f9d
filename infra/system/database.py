"""The database of a system on one machine: schema, passwords of the functions' roles, local partners."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import sql

from infra.embedded import PostgresEndpoint, run_migrations
from infra.system.layout import MIGRATIONS, PARTNERS

FUNCTION_ROLES = r"exchange\_%"


def prepare_database(postgres: PostgresEndpoint) -> None:
    """Migrate, give the functions' roles the local password, register the local partners."""
    run_migrations(postgres.dsn(), MIGRATIONS)
    with (
        closing(psycopg2.connect(postgres.superuser_dsn())) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (FUNCTION_ROLES,))
        for (role,) in cursor.fetchall():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            cursor.execute(statement.format(sql.Identifier(role), sql.Literal(postgres.password)))
        cursor.execute(PARTNERS.read_text(encoding="utf-8"))
