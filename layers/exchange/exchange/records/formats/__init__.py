"""The mappings of partner formats to canonical rows, one module per format. Pure, but for reading the contracts."""

from __future__ import annotations

from exchange.records.formats.registry import map_record

__all__ = ["map_record"]
