"""Where a record came from and what became of it, for an operator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

from exchange.errors import ContractViolation
from exchange.ledger import store
from exchange.outbox.model import shard_of
from exchange.platform.db import Database, database


class LineageReader:
    """The lineage of one record at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Raw object, events, attempts, canonical row and derived rows of the event's `record_id`.

        A record that nobody knows has a lineage without facts. Raises ContractViolation.
        """
        try:
            record_id = UUID(event["record_id"])
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ContractViolation("must be a UUID", field="record_id") from None
        with self._database.transaction() as transaction:
            return store.read_lineage(transaction, record_id, shard_of(str(record_id)))


@cache
def lineage_reader() -> LineageReader:
    """This environment's."""
    return LineageReader(database())
