"""The lineage of a record: its raw object, events, attempts and rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.outbox.model import shard_of
from exchange.platform.db import Database, database
from exchange.platform.queries import load_queries

QUERIES = load_queries(__file__)
SHOWN_ATTEMPTS = 200


class LineageReader:
    """Reads the lineage of one record at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return all that the database knows about the event's `record_id`: raw object, events, attempts, rows.

        Lists are empty and facts null where nothing is known. Only the newest SHOWN_ATTEMPTS events and attempts are
        returned; `events_left_off` and `attempts_left_off` count the others. Raises ContractViolation.
        """
        try:
            record_id = UUID(event["record_id"])
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ContractViolation("must be a UUID", field="record_id") from None
        with self._database.transaction() as transaction:
            ((lineage,),) = transaction.execute(
                QUERIES["read_lineage"],
                {"record_id": record_id, "shard": shard_of(str(record_id)), "limit": SHOWN_ATTEMPTS},
            )
        return cast(dict[str, Any], lineage)


@cache
def lineage_reader() -> LineageReader:
    """Return this environment's reader."""
    return LineageReader(database())
