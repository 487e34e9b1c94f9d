"""Partners are data: who owns which source, and which mappings each may use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from exchange.errors import Forbidden
from exchange.platform.auth import Caller
from exchange.platform.db import Database
from exchange.platform.queries import load_queries

REGISTRY_SECONDS = 60.0


@dataclass(frozen=True)
class Partner:
    """A registered partner."""

    partner_id: str
    default_schema_hint: str
    allowed_schema_hints: frozenset[str]

    def require_hint(self, schema_hint: str) -> None:
        """Raises Forbidden unless the partner's agreement covers this mapping."""
        if schema_hint not in self.allowed_schema_hints:
            raise Forbidden("is not agreed with this partner", field="schema_hint")


class PartnerRegistry:
    """The registry as of at most a minute ago; a source that is not found is looked up afresh."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_source: Mapping[str, Partner] = {}
        self._read_at = float("-inf")

    def partner_for(self, caller: Caller, source: str) -> Partner:
        """The partner that owns `source`; raises Forbidden unless the caller is that partner.

        The local developer acts as the owner of whatever source the body names.
        """
        age_seconds = time.monotonic() - self._read_at
        if age_seconds > REGISTRY_SECONDS or (source not in self._by_source and age_seconds > 1.0):
            self._read()
        partner = self._by_source.get(source)
        if partner is None or caller.partner_id not in (None, partner.partner_id):
            # One message for both: a caller does not learn which sources others own.
            raise Forbidden("is not a source of this partner", field="source")
        return partner

    def _read(self) -> None:
        with self._database.transaction() as transaction:
            rows = transaction.execute(load_queries(__file__)["read_partners"])
        self._by_source = {
            source: Partner(partner_id, default_hint, frozenset(hints))
            for source, partner_id, default_hint, hints in rows
        }
        self._read_at = time.monotonic()
