"""One Postgres connection for each environment, and transactions in as few round trips as possible."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from exchange.errors import DependencyUnavailable, RowRefused
from exchange.platform.secrets import read_json_secret
from exchange.platform.settings import Settings, load_settings

Row = tuple[Any, ...]
_DEAD = (psycopg2.OperationalError, psycopg2.InterfaceError)


class Transaction:
    """Statements that take effect together.

    BEGIN is sent with the first statement, and COMMIT may be sent with the last: a request takes two round trips
    instead of four. A connection that turns out dead at the first statement is replaced once, since nothing has
    happened before it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = database.live_connection()
        self._begun = False
        self._ended = False

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Run one named statement, or several joined by `;`; return the rows of the last."""
        if self._begun:
            return self._send(sql, parameters)
        try:
            return self._send(f"BEGIN; {sql}", parameters)
        except DependencyUnavailable:
            # A server that refuses a statement, such as for a lock timeout, is alive: its connection is not replaced.
            if not self._connection.closed:
                raise
        self._connection = self._database.replace_connection()
        return self._send(f"BEGIN; {sql}", parameters)

    def execute_and_commit(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run the last statement and commit in the same round trip."""
        if not self._begun:
            # Unlike a first statement, a commit sent along with it may have happened: it is never sent twice.
            self.execute("SELECT 1")
        self._send(f"{sql}; COMMIT", parameters)
        self._ended = True

    def commit(self) -> None:
        """Commit the statements so far; without one there is nothing to commit."""
        if self._begun and not self._ended:
            self._send("COMMIT", None)
        self._ended = True

    def rollback(self) -> None:
        """Roll back; safe to call at any time."""
        if self._begun and not self._ended and not self._connection.closed:
            try:
                self._send("ROLLBACK", None)
            except DependencyUnavailable:
                # The server drops the transaction together with the connection; nothing is left to undo.
                self._connection.close()
        self._ended = True

    def _send(self, text: str, parameters: Mapping[str, object] | None) -> list[Row]:
        # Set before sending, because a statement whose answer is lost still has to be rolled back.
        self._begun = True
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(text, parameters)
                return cursor.fetchall() if cursor.description else []
            except _DEAD as error:
                raise DependencyUnavailable("the database did not answer in time") from error
            except (psycopg2.IntegrityError, psycopg2.DataError) as error:
                # Only the constraint's name: the driver's message quotes the row.
                raise RowRefused(error.diag.constraint_name or type(error).__name__) from error


class Database:
    """The environment's connection, opened at first use and replaced once when it turns out dead.

    Only the first statement of a transaction may be sent twice: nothing has happened before it.
    """

    def __init__(self, connect: Callable[[], psycopg2.extensions.connection]) -> None:
        self._connect = connect
        self._connection: psycopg2.extensions.connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run the block in a transaction: commit at its end, roll back on any exception, even KeyboardInterrupt."""
        transaction = self.begin()
        try:
            yield transaction
        except BaseException:
            transaction.rollback()
            raise
        transaction.commit()

    def begin(self) -> Transaction:
        """Return a transaction that the caller has to end; `transaction()` is the safer form."""
        return Transaction(self)

    def live_connection(self) -> psycopg2.extensions.connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def replace_connection(self) -> psycopg2.extensions.connection:
        self.close()
        return self.live_connection()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self) -> psycopg2.extensions.connection:
        try:
            connection = self._connect()
        except _DEAD as error:
            raise DependencyUnavailable("the database cannot be reached") from error
        # We place BEGIN and COMMIT ourselves.
        connection.autocommit = True
        return connection


def connect(settings: Settings) -> psycopg2.extensions.connection:
    """Open a connection as the role of this function, by TLS with a verified host name unless local."""
    credentials: dict[str, Any] = {}
    if not settings.is_local:
        secret = read_json_secret(settings.require("postgres_secret_arn"))
        # psycopg2-binary's libpq takes "system" for the machine that built it; Python knows where this one's roots are.
        roots = ssl.get_default_verify_paths().cafile or "system"
        credentials = {"password": secret["password"], "sslmode": "verify-full", "sslrootcert": roots}
    connection: psycopg2.extensions.connection = psycopg2.connect(
        settings.require("postgres_dsn"), connect_timeout=5, **credentials
    )
    return connection


@cache
def database() -> Database:
    """Return this environment's database."""
    psycopg2.extras.register_uuid()  # type: ignore[no-untyped-call]
    return Database(lambda: connect(load_settings()))
