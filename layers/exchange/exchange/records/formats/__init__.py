"""Partner formats, one module each, mapped to canonical rows. Pure but for reading the contracts once."""

from __future__ import annotations

from exchange.records.formats.registry import map_record

__all__ = ["map_record"]
