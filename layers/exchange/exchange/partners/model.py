"""A partner of the exchange."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.errors import Forbidden


@dataclass(frozen=True)
class Partner:
    """A registered partner."""

    partner_id: str
    default_schema_hint: str
    allowed_schema_hints: frozenset[str]

    def require_hint(self, schema_hint: str) -> None:
        """Raise Forbidden unless the partner's agreement covers this mapping."""
        if schema_hint not in self.allowed_schema_hints:
            raise Forbidden("is not agreed with this partner", field="schema_hint")
