"""From a partner's words to canonical ones. Pure: no clock, no I/O beyond reading the contracts once."""

from __future__ import annotations

from exchange.records.mapping.registry import map_record

__all__ = ["map_record"]
