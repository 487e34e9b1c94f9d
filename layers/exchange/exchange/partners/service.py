"""The registry of partners, at most a minute old."""

from __future__ import annotations

import time
from collections.abc import Mapping

from exchange.errors import Forbidden
from exchange.partners.model import Partner
from exchange.platform.auth import Caller
from exchange.platform.db import Database
from exchange.platform.queries import load_queries

REGISTRY_SECONDS = 60.0
# A new source is found at once, yet a caller who guesses sources causes at most one query a second.
UNKNOWN_SOURCE_SECONDS = 1.0
QUERIES = load_queries(__file__)


class PartnerRegistry:
    """The owners of sources."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_source: Mapping[str, Partner] = {}
        self._partner_ids: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def partner_for(self, caller: Caller, source: str) -> Partner:
        """Return the partner that owns `source`; raises Forbidden unless the caller is that partner.

        The local developer acts as the owner of the source that the body names.
        """
        partner = self.owner_of(source)
        if partner is None or caller.partner_id not in (None, partner.partner_id):
            # The same message for both, so that a caller does not learn which sources others own.
            raise Forbidden("is not a source of this partner", field="source")
        return partner

    def owner_of(self, source: str) -> Partner | None:
        """Return the partner that owns `source`, if any."""
        self._refresh(is_known=source in self._by_source)
        return self._by_source.get(source)

    def is_registered(self, partner_id: str) -> bool:
        """Tell whether a partner is registered, with sources or without."""
        self._refresh(is_known=partner_id in self._partner_ids)
        return partner_id in self._partner_ids

    def sources(self) -> list[str]:
        """Read every registered source, sorted by name, past the cache."""
        self._read()
        return sorted(self._by_source)

    def _refresh(self, *, is_known: bool) -> None:
        age_seconds = time.monotonic() - self._read_at
        if age_seconds > (REGISTRY_SECONDS if is_known else UNKNOWN_SOURCE_SECONDS):
            self._read()

    def _read(self) -> None:
        with self._database.transaction() as transaction:
            rows = transaction.execute(QUERIES["read_partners"])
        self._by_source = {
            source: Partner(partner_id, default_hint, frozenset(hints))
            for source, partner_id, default_hint, hints in rows
            if source is not None
        }
        self._partner_ids = frozenset(partner_id for _, partner_id, _, _ in rows)
        self._read_at = time.monotonic()
