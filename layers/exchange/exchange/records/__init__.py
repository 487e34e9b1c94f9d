"""Records: an event becomes a canonical row, once, or a dead letter."""
